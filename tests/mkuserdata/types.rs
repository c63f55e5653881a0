//! Types of parts: detected from the first line or given after the file name, and what cloud-init does with them.

use crate::{build, forced, judge_one, named, refused};
use kit::{Sandbox, cloud_init};

/// A part handler for two types, one of them binary.
const HANDLER: &str = "#part-handler\n\ndef list_types():\n    return ['text/x-mine', 'application/x-mine']\n\n\
                       def handle_part(data, ctype, filename, payload):\n    pass\n";

#[test]
fn every_type_is_detected_as_cloud_init_does() {
    let sandbox = Sandbox::new();
    let inner = sandbox.file("inner", "#!/bin/sh\n# included\n");
    let url = format!("file://{}", inner.display());
    let parts = [
        ("01", "text/x-include-once-url", format!("#include-once\n{url}\n")),
        ("02", "text/x-include-url", format!("\n \n#INCLUDE {url}\n")),
        ("03", "text/x-shellscript", " \n#!/bin/sh\n".to_string()),
        (
            "04",
            "text/cloud-config-archive",
            "#cloud-config-archive\n- {type: text/cloud-config, content: \"x: 1\"}\n".to_string(),
        ),
        (
            "05",
            "text/cloud-config-jsonp",
            "#cloud-config-jsonp\n[{\"op\": \"add\", \"path\": \"/y\", \"value\": 2}]\n".to_string(),
        ),
        ("06", "text/cloud-config", "#cloud-config\nz: 3\n".to_string()),
        ("07", "text/cloud-boothook", "#cloud-boothook\n#!/bin/sh\n".to_string()),
        ("08", "text/part-handler", HANDLER.to_string()),
        ("09", "text/jinja2", "## template: jinja\n#!/bin/sh\necho {{ v1.region }}\n".to_string()),
    ];
    for (name, _, content) in &parts {
        sandbox.file(name, content);
    }
    let names = parts.each_ref().map(|(name, ..)| *name);
    let (user_data, said) = forced(&sandbox, &[&["--force"], &names[..]].concat());
    assert_eq!(said, "mkuserdata: 03: has white space before #!: the kernel would not run it\n");
    let verdict = judge_one(user_data);
    for ((name, kind, content), part) in parts.iter().zip(&verdict.parts) {
        assert_eq!((part.filename.as_str(), part.declared.as_str()), (*name, *kind));
        assert_eq!(part.detected.as_deref(), Some(*kind));
        assert_eq!(String::from_utf8_lossy(&part.content), content.as_str());
    }
    assert_eq!(verdict.parts.len(), parts.len());
    // cloud-init itself fetches both includes and opens the archive.
    let handled: Vec<_> = verdict.handled.iter().map(|part| part.declared.as_str()).collect();
    assert_eq!(handled[..2], ["text/x-shellscript"; 2]);
    assert_eq!(handled[2..4], ["text/x-shellscript", "text/cloud-config"]);
    assert_eq!(handled[4..], parts.each_ref().map(|(_, kind, _)| *kind)[4..]);
    assert_eq!(verdict.config, serde_json::json!({"x": 1, "y": 2, "z": 3}));
    assert_eq!(verdict.failed, None);
}

#[test]
fn a_given_type_counts_if_the_content_has_none() {
    let sandbox = Sandbox::new();
    let script = sandbox.file("included", "#!/bin/sh\n# included\n");
    sandbox.file("config", "a: 1\n");
    sandbox.file("patch", "[{\"op\":\"add\",\"path\":\"/b\",\"value\":2}]");
    sandbox.file("archive", "- {type: text/cloud-config, content: 'c: 3'}\n");
    sandbox.file("include", format!("{}\n", script.display()));
    sandbox.file("hook", "#!/bin/sh\n# hook\n");
    sandbox.file("handler", &HANDLER["#part-handler".len()..]);
    sandbox.file("mine", "mine\n");
    for name in ["boot", "instance", "once", "script"] {
        sandbox.file(name, format!("#!/bin/sh\n# {name}\n"));
    }
    let parts = [
        "config:cloud-config",
        "patch:text/cloud-config-jsonp",
        "archive:Cloud-Config-Archive",
        "include:x-include-url",
        "hook:cloud-boothook",
        "handler:part-handler",
        "mine:text/x-mine",
        "boot:x-shellscript-per-boot",
        "instance:x-shellscript-per-instance",
        "once:TEXT/X-SHELLSCRIPT-PER-ONCE",
        "script:x-shellscript",
    ];
    let verdict = judge_one(build(&sandbox, &parts));
    assert_eq!((verdict.failed, verdict.warnings), (None, vec![]));
    assert_eq!(verdict.config, serde_json::json!({"a": 1, "b": 2, "c": 3}));
    let script = |name: &'static str| vec![(name, format!("#!/bin/sh\n# {name}\n"))];
    assert_eq!(named(&verdict.boothooks), script("hook"));
    assert_eq!(named(&verdict.per_boot), script("boot"));
    assert_eq!(named(&verdict.per_instance), script("instance"));
    assert_eq!(named(&verdict.per_once), script("once"));
    assert_eq!(named(&verdict.scripts)[0], ("01-script", "#!/bin/sh\n# script\n".to_string()));
    assert_eq!(verdict.scripts[1].content, b"#!/bin/sh\n# included\n");
    assert_eq!(named(&verdict.custom), [("mine", "mine\n".to_string())]);
    let declared: Vec<_> = verdict.parts.iter().map(|part| part.declared.as_str()).collect();
    assert_eq!(declared[1..3], ["text/cloud-config-jsonp", "text/cloud-config-archive"]);
    assert_eq!(
        declared[7..],
        [
            "text/x-shellscript-per-boot",
            "text/x-shellscript-per-instance",
            "text/x-shellscript-per-once",
            "text/x-shellscript"
        ]
    );
}

#[test]
fn unknown_types_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.file("a", "#!/bin/sh\n");
    sandbox.file("b:cloud-config", "#!/bin/sh\n");
    assert_eq!(refused(&sandbox, &["a:shellscript"]), "a:shellscript: cloud-init knows no type shellscript");
    assert_eq!(refused(&sandbox, &["a:text/"]), "a:text/: text/ is not a type");
    assert_eq!(refused(&sandbox, &["a:upstart-job"]), "a:upstart-job: cloud-init no longer knows upstart-job");
    assert_eq!(refused(&sandbox, &["c:cloud-config"]), "cannot read c: No such file or directory");
    // A file with a colon in its name is that file.
    let verdict = judge_one(build(&sandbox, &["b:cloud-config"]));
    assert_eq!(named(&verdict.scripts), [("bcloud-config", "#!/bin/sh\n".to_string())]);
}

#[test]
fn a_part_handler_gets_its_parts_unchanged() {
    let sandbox = Sandbox::new();
    sandbox.file("handler.py", HANDLER);
    let contents: [(&str, &str, Vec<u8>); 6] = [
        ("text", "text/x-mine", "é\r\n\n=\n--cerveza\nFrom me \n".into()),
        ("script", "text/x-mine", "#!/bin/sh\r\n".into()),
        ("binary", "application/x-mine", (0..=255).cycle().take(1500).collect()),
        ("zero", "application/x-mine", vec![0; 3]),
        ("gzip", "application/x-mine", b"\x1f\x8b\x08\x00rest".to_vec()),
        ("latin1", "text/x-mine", b"\xe9t\xe9\n".to_vec()),
    ];
    let mut parts = vec!["handler.py".to_string()];
    for (name, kind, content) in &contents {
        sandbox.file(name, content);
        parts.push(format!("{name}:{kind}"));
    }
    let parts: Vec<&str> = parts.iter().map(String::as_str).collect();
    let verdict = judge_one(build(&sandbox, &parts));
    assert_eq!((verdict.failed, verdict.warnings), (None, vec![]));
    let got: Vec<_> = verdict
        .custom
        .iter()
        .map(|part| (part.filename.as_str(), part.declared.as_str(), part.content.clone()))
        .collect();
    assert_eq!(got, contents);
}

#[test]
fn boothooks_run_in_the_order_given_and_without_their_first_line() {
    let sandbox = Sandbox::new();
    sandbox.file("z", "#cloud-boothook\n#!/bin/sh\necho é\n");
    sandbox.file("a", "#cloud-boothook #!/bin/sh\r\n");
    sandbox.file("m", "#cloud-boothook\n\n\n#!/bin/sh\n");
    let verdict = judge_one(forced(&sandbox, &["--force", "z", "a", "m"]).0);
    let hooks = [("z", "#!/bin/sh\necho é\n"), ("a", "#!/bin/sh\n"), ("m", "#!/bin/sh\n")];
    assert_eq!(named(&verdict.boothooks), hooks.map(|(name, text)| (name, text.to_string())));
}

#[test]
fn an_archive_is_opened_and_its_script_names_give_a_warning() {
    let sandbox = Sandbox::new();
    sandbox.file("z.sh", "#!/bin/sh\n# z\n");
    sandbox.file(
        "archive",
        "#cloud-config-archive\n- |\n  #!/bin/sh\n  # first\n- {filename: 'y.sh', content: \"#!/bin/sh\\n# y\\n\"}\n\
         - {type: text/x-shellscript-per-boot, filename: boot, content: \"#!/bin/sh\\n\"}\n\
         - 'a: 1'\n- {content: \"#cloud-config\\nb: 2\\n\", launch-index: 0}\n",
    );
    let (user_data, said) = forced(&sandbox, &["z.sh", "archive"]);
    assert_eq!(said, "mkuserdata: archive: the scripts in it run by names of their own, among the others\n");
    let verdict = judge_one(user_data);
    assert_eq!((verdict.failed, verdict.warnings), (None, vec![]));
    let scripts = [("01-z.sh", "#!/bin/sh\n# z\n"), ("part-002", "#!/bin/sh\n# first\n"), ("y.sh", "#!/bin/sh\n# y\n")];
    assert_eq!(named(&verdict.scripts), scripts.map(|(name, text)| (name, text.to_string())));
    assert_eq!(named(&verdict.per_boot), [("boot", "#!/bin/sh\n".to_string())]);
    assert_eq!(verdict.config, serde_json::json!({"a": 1, "b": 2}));
}

#[test]
fn cloud_init_renders_its_own_templates() {
    let sandbox = Sandbox::new();
    let parts = [
        ("script.sh", "## template: jinja\n#!/bin/sh\necho {{ v1.region }} {{ ds.meta_data.instance_type }} é\n"),
        ("config", "## template: jinja\n#cloud-config\nhostname: {{ v1.local_hostname }}\n"),
    ];
    for (name, content) in parts {
        sandbox.file(name, content);
    }
    let verdict = judge_one(build(&sandbox, &["script.sh", "config"]));
    assert_eq!((&verdict.failed, &verdict.warnings), (&None, &vec![]));
    assert!(verdict.parts.iter().all(|part| part.declared == "text/jinja2"));
    assert_eq!(verdict.parts[0].content, parts[0].1.as_bytes());
    assert_eq!(named(&verdict.scripts), [("01-script.sh", "#!/bin/sh\necho us-east-1 t3.micro é\n".to_string())]);
    assert_eq!(verdict.config["hostname"], "judged-host");
}

/// Older releases (as Debian 12's) warn about a template that is a boothook, and do not run it.
#[test]
fn releases_differ_in_whether_they_run_a_template_of_a_boothook() {
    let sandbox = Sandbox::new();
    sandbox.file("hook", "## Template: Jinja \n#cloud-boothook\n#!/bin/sh\necho {{ instance_id }}\n");
    assert!(refused(&sandbox, &["hook"]).contains("releases of cloud-init differ in whether they run it"));
    let rendered = vec![("hook", "#!/bin/sh\necho i-0123456789abcdef0\n".to_string())];
    for verdict in cloud_init::judge_each(&[forced(&sandbox, &["--force", "hook"]).0]).remove(0) {
        let expected = if verdict.warnings.is_empty() { &rendered } else { &vec![] };
        assert_eq!(named(&verdict.boothooks), *expected, "{:?}", verdict.warnings);
        assert!(verdict.warnings.len() <= 1, "{:?}", verdict.warnings);
    }
}
