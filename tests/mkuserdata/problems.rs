//! Parts that cloud-init would treat differently than intended: each error says how, and with --force it happens.

use crate::{build, check, forced, judge_one, named, refused};
use kit::Sandbox;
use kit::cloud_init::{self, Verdict};
use serde_json::{Value, json};

/// What cloud-init does with a part.
enum Effect {
    /// It ignores the part; the other parts are unaffected.
    Ignored,
    /// It ignores all parts.
    NoneAtAll,
    /// A script or boothook that the kernel does not run.
    NotRun,
    /// A script or boothook of this text.
    Runs(&'static str),
    /// This configuration, and that of the part beside it.
    Configures(Value),
}
use Effect::*;

/// A part, the message about it, and what cloud-init does with it.
type Case = (&'static str, &'static [u8], &'static str, Effect);

fn cases() -> Vec<Case> {
    vec![
        ("p", b"", "is empty", Ignored),
        ("p", b" \n\t\n", "is empty", Ignored),
        ("p", b"\x1f\x8b\x08\x00", "is compressed already", Ignored),
        ("p", b"MIME-Version: 1.0\nContent-Type: text/cloud-config\n\na: 1\n", "is a MIME message already", Ignored),
        ("p", b"Content-Type: multipart/mixed; boundary=x\n\n--x\n\n--x--\n", "is a MIME message already", Ignored),
        ("p", b"hello\n#!/bin/sh\n", "does not know its first line", Ignored),
        ("p", b"# cloud-config\na: 1\n", "Did you mean #cloud-config?", Ignored),
        ("p", b"cloud-config\na: 1\n", "Did you mean #cloud-config?", Ignored),
        ("p", b"#cloud_config\na: 1\n", "Did you mean #cloud-config?", Ignored),
        ("p", b"#clout-config\na: 1\n", "Did you mean #cloud-config?", Ignored),
        ("p", b"##template: jinja\n#!/bin/sh\n", "Did you mean ## template: jinja?", Ignored),
        ("p", b"# part-handler\n", "Did you mean #part-handler?", Ignored),
        ("p", b"# include\nfile:///dev/null\n", "Did you mean #include?", Ignored),
        ("p", b"# !/bin/sh\n", "Did you mean #!?", Ignored),
        ("p", b"!/bin/sh\n", "Did you mean #!?", Ignored),
        ("p", b"#/bin/sh\n", "Did you mean #!?", Ignored),
        ("p", b"#boothook\n#!/bin/sh\n", "Did you mean #cloud-boothook?", Ignored),
        ("p", b"\xff\xfe#\0!\0/\0", "is UTF-16", Ignored),
        ("p", b"apiVersion: node.eks.aws/v1alpha1\n", "is a NodeConfig", Ignored),
        ("p", b"---\n# x\nkind: NodeConfig\napiVersion: \"node.eks.aws/v1alpha1\"\n", "is a NodeConfig", Ignored),
        ("p", b"IyEvYmluL3NoCg==\n", "is base64", Ignored),
        ("p", b"<powershell>\nhostname\n</powershell>\n", "is a script for EC2Launch on Windows", Ignored),
        ("p", b"version: 1.0\ntasks:\n- task: executeScript\n", "is YAML for EC2Launch v2 on Windows", Ignored),
        ("p", b"# x\n[settings.kubernetes]\ncluster-name = \"x\"\n", "is settings of Bottlerocket", Ignored),
        ("p", b"{\"ignition\": {\"version\": \"3.4.0\"}}\n", "is a config of Ignition", Ignored),
        ("p", "\u{feff}#!/bin/sh\n".as_bytes(), "a byte order mark hides its #!", Ignored),
        ("p", "\u{feff}#cloud-config\na: 1\n".as_bytes(), "a byte order mark hides its #cloud-config", Ignored),
        ("p", "\u{feff}hello\n".as_bytes(), "begins with a byte order mark", Ignored),
        ("p", b"#!/bin/sh\n\xff\n", "is not UTF-8", Ignored),
        ("p", b"#cloud-boothook\n#!/bin/sh\n\xff\n", "is not UTF-8", Ignored),
        ("p", b"#cloud-config\na: \xff\n", "is not UTF-8", Ignored),
        ("p", b"#cloud-config-archive\n- \xff\n", "is not UTF-8", Ignored),
        ("p", b"## template: jinja\n#!/bin/sh\n\xff\n", "is not UTF-8", Ignored),
        ("p", b"#part-handler\n# \xff\n", "is not UTF-8: cloud-init would take none of the user-data", NoneAtAll),
        ("p:x-shellscript", b"#cloud-config\na: 1\n", "begins as text/cloud-config", Configures(json!({"a": 1}))),
        ("p:x-shellscript", b"echo\n", "does not begin with #!", NotRun),
        ("p:x-shellscript-per-boot", b"echo\n", "does not begin with #!", NotRun),
        ("p:x-shellscript-per-once", b"#cloud-config\na: 1\n", "does not begin with #!", NotRun),
        ("p", b"\n#!/bin/sh\n", "has white space before #!", NotRun),
        ("p", b"#!\n/bin/sh\n", "has no interpreter", NotRun),
        ("p", b"#!/bin/sh\r\nx \r\r\n\n", "ends in CR LF", Runs("#!/bin/sh\nx \r\n\n")),
        ("p:x-shellscript-per-boot", b"#!/bin/sh\r\nx\r\n", "ends in CR LF", Runs("#!/bin/sh\nx\n")),
        ("p", b"#cloud-boothook\r\n#!/bin/sh\r\nx\r\n", "ends in CR LF", Runs("#!/bin/sh\nx\n")),
        ("p", b"#cloud-boothook\necho\n", "has no #! after #cloud-boothook", NotRun),
        ("p", b"#Cloud-Boothook\n#!/bin/sh\n", "does not begin with #cloud-boothook", NotRun),
        ("p", b"\n#cloud-boothook\n#!/bin/sh\n", "does not begin with #cloud-boothook", NotRun),
        (
            "p",
            b"#cloud-configuration\na: 1\n",
            "its first line is more than #cloud-config:",
            Configures(json!({"a": 1})),
        ),
        ("p", b"#cloud-config\n- a\n", "is a list, not a YAML mapping", Ignored),
        ("p", b"#cloud-config\nhello\n", "is a plain value, not a YAML mapping", Ignored),
        ("p", b"#cloud-config\n# a: 1\n", "has nothing but comments", Ignored),
        ("p", b"#cloud-config\na: [1\n", "is not YAML", Ignored),
        ("p", b"#cloud-config\na: 1\n\tb: 2\n", "is not YAML", Ignored),
        ("p", b"#cloud-config\na: \"\x1b\"\n", "has a control character", Ignored),
        ("p", b"#cloud-config\na: 1\n---\nb: 1\n", "has several YAML documents", Ignored),
        (
            "p",
            b"#cloud-config\na: 1\nb: 2\na: 3\n",
            "line 4 has the key of line 2 again",
            Configures(json!({"a": 3, "b": 2})),
        ),
        ("p", b"#cloud-config-archive\na: 1\n", "is a mapping, not a YAML list", Ignored),
        ("p", b"#cloud-config-archive\n- 7\n", "entry 1: is neither text nor a mapping", Ignored),
        ("p", b"#cloud-config-archive\n- 'a: 1'\n- [b]\n", "entry 2: is neither", Configures(json!({"a": 1}))),
        ("p", b"#cloud-config-archive\n- {content: 7}\n", "entry 1: content is not text", NoneAtAll),
        ("p", b"#cloud-config-archive\n- {type: x, content: a}\n", "entry 1: its type has no slash", NoneAtAll),
        (
            "p",
            b"#cloud-config-archive\n- '#include /dev/null'\n",
            "entry 1: cloud-init opens no such part within an archive",
            Ignored,
        ),
        ("p", b"#cloud-config-jsonp\n{}\n", "is not a JSON patch", Ignored),
        ("p", b"#cloud-config-jsonp\n[{\"path\":\"/a\"}]\n", "operation 1 is not an operation of RFC 6902", Ignored),
        ("p", b"#Cloud-Config-Jsonp\n[]\n", "is not a JSON patch", Ignored),
        ("p", b"#included are packages\n", "line 1 counts as a URL to include", NoneAtAll),
        ("p", b"#include\n\n#include-once no such\n", "line 3 counts as a URL to include", NoneAtAll),
        ("p", b"#include\n # indented\n", "line 2 counts as a URL to include", NoneAtAll),
        ("p", b"#include\ns3://bucket/key\n", "line 2 counts as a URL to include", NoneAtAll),
        ("p", b"#include-once http://127.0.0.1:1/a b\n", "line 1 has text after its URL", NoneAtAll),
        ("p", b"#include\n# nothing\n", "has no URL", Ignored),
        ("p", b"#part-handler\nx = 1\n", "does not define list_types", Ignored),
        ("p", b"#part-handler\ndef list_types(): return ['text/x']\n", "does not define handle_part", Ignored),
        ("p", b"#part-handler\n\ndef list_types(:\n", "line 3 is not Python: ", Ignored),
        ("p", b"#part-handler\ndef list_types()\n    return []\n", "line 2 is not Python: ", Ignored),
        ("p", b"#part-handler\nprint 'list_types handle_part'\n", "line 2 is not Python: ", Ignored),
        ("p", b"\n## template: jinja\n#!/bin/sh\n", "has something before ## template: jinja", Ignored),
        ("p:jinja2", b"#!/bin/sh\n", "has something before ## template: jinja", Ignored),
        ("p", b"## template: jinja2\n#!/bin/sh\n", "names another engine", Ignored),
        ("p", b"## template: jinja\n\n#!/bin/sh\n", "has white space before #!", NotRun),
        ("p", b"## template: jinja\n#include\nfile:///dev/null\n", "is not a cloud-config or script", Ignored),
        ("p:text/x-mine", b"mine", "no part handler before it", Ignored),
    ]
}

#[test]
fn each_error_describes_what_cloud_init_does_with_force() {
    let sandbox = Sandbox::new();
    sandbox.file("good.sh", "#!/bin/sh\n");
    sandbox.file("good.cfg", "#cloud-config\ngood: yes\n");
    let cases = cases();
    let (mut user_data, mut unlike) = (Vec::new(), Vec::new());
    for (part, content, problem, _) in &cases {
        sandbox.file("p", content);
        let parts = ["--keep-names", "good.sh", "good.cfg", part];
        let error = refused(&sandbox, &parts);
        if !error.starts_with("p: ") || !error.contains(problem) {
            unlike.push(format!("{part} {:?}: {problem}: {error}", String::from_utf8_lossy(content)));
        }
        assert!(error.contains("cloud-init") || error.contains("the kernel would not run it"), "{error}");
        let (forced, said) = forced(&sandbox, &[&["--force"], &parts[..]].concat());
        assert!(said.contains(&format!("mkuserdata: {error}\n")), "{said}");
        // Reading it again gives the same problems, except those that the type in the message settles.
        let again = check(&sandbox, &forced);
        let settled = problem.contains("is more than");
        if !settled && (again.code != 1 || !again.stderr.contains(problem)) {
            unlike.push(format!("{part} {:?}: {problem}: {}", String::from_utf8_lossy(content), again.stderr));
        }
        user_data.push(forced);
    }
    for ((part, content, problem, effect), verdict) in cases.iter().zip(cloud_init::judge(&user_data)) {
        if let Err(why) = shows(&verdict, effect) {
            panic!(
                "{part} {:?}, of which is said that it {problem}, {why}: {verdict:#?}",
                String::from_utf8_lossy(content)
            );
        }
    }
    assert!(unlike.is_empty(), "said otherwise, or otherwise by --check: {unlike:#?}");
}

/// Checks that the effect matches the verdict of cloud-init. Returns the difference.
fn shows(verdict: &Verdict, effect: &Effect) -> Result<(), &'static str> {
    let demand = |holds: bool, why| if holds { Ok(()) } else { Err(why) };
    if let NoneAtAll = effect {
        return demand(verdict.failed.is_some(), "fails nothing");
    }
    demand(verdict.failed.is_none(), "fails all")?;
    let written = [&verdict.scripts, &verdict.boothooks, &verdict.per_boot, &verdict.per_instance, &verdict.per_once];
    let mut scripts: Vec<_> = written.into_iter().flatten().collect();
    let others = scripts.len();
    scripts.retain(|script| script.filename != "good.sh");
    demand(others == scripts.len() + 1, "loses the other script")?;
    let config = match effect {
        Configures(config) => config.clone(),
        _ => json!({}),
    };
    let mut merged = verdict.config.clone();
    demand(merged.as_object_mut().and_then(|map| map.remove("good")).is_some(), "loses the other configuration")?;
    demand(merged == config, "configures otherwise")?;
    match (effect, &scripts[..]) {
        (NotRun, [script]) => demand(!is_run(&script.content), "runs"),
        (Runs(text), [script]) => demand(script.content == text.as_bytes(), "runs otherwise"),
        (Ignored | Configures(_), []) => Ok(()),
        _ => Err("has other scripts"),
    }
}

/// Whether the kernel takes it for a program; the interpreter it names need not be there.
fn is_run(script: &[u8]) -> bool {
    const ENOEXEC: i32 = 8;
    let sandbox = Sandbox::new();
    let path = sandbox.file("script", script);
    sandbox.sh("chmod +x script").exits(0);
    match std::process::Command::new(path).status() {
        Err(error) => error.raw_os_error() != Some(ENOEXEC),
        Ok(_) => true,
    }
}

/// `--check` of a message built with --force reports the same problems as the build.
#[test]
fn all_problems_are_printed_at_once() {
    let sandbox = Sandbox::new();
    sandbox.file("a", "# cloud-config\n");
    sandbox.file("b", "#include\nnot a url\nhttp://x/\nnor this\n");
    sandbox.file("c", "");
    let run = sandbox.run("mkuserdata", &["a", "b", "c"], "").exits(2);
    let lines: Vec<_> = run.stderr.trim_end().lines().collect();
    assert_eq!(lines.len(), 5, "{}", run.stderr);
    for (line, start) in lines.iter().zip(["mkuserdata: a: ", "b: line 2 ", "b: line 4 ", "c: is empty"]) {
        assert!(line.starts_with(start), "{line}");
    }
    assert_eq!(lines[4], "mkuserdata: --force builds it anyway");
    let (_, said) = forced(&sandbox, &["--force", "a", "b", "c"]);
    assert_eq!(said.lines().count(), 4, "{said}");
}

#[test]
fn intended_uses_are_not_problems() {
    let sandbox = Sandbox::new();
    let gzip = sandbox.sh("printf '#!/bin/sh\\n# packed\\n' | gzip -n > script.gz").exits(0);
    assert_eq!(gzip.stderr, "");
    let node = "---\napiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\n";
    sandbox.file("node.yaml", node);
    sandbox.file("crlf.cfg", "#cloud-config\r\na: 1\r\n");
    sandbox.file("late.sh", "#!/bin/sh\necho\r\n");
    let parts = ["script.gz:application/gzip", "node.yaml:application/node.eks.aws", "crlf.cfg", "late.sh"];
    let verdict = judge_one(build(&sandbox, &parts));
    assert_eq!(verdict.failed, None);
    // cloud-init leaves a NodeConfig to nodeadm, with a warning.
    assert!(verdict.scripts.iter().any(|script| script.content == b"#!/bin/sh\n# packed\n"), "{:?}", verdict.scripts);
    assert_eq!(
        (verdict.parts[1].declared.as_str(), &verdict.parts[1].content[..]),
        ("application/node.eks.aws", node.as_bytes())
    );
    assert_eq!(verdict.warnings.len(), 1, "{:?}", verdict.warnings);
    assert!(verdict.warnings[0].contains("application/node.eks.aws"), "{:?}", verdict.warnings);
    assert_eq!(verdict.config, json!({"a": 1}));
    assert!(named(&verdict.scripts).contains(&("02-late.sh", "#!/bin/sh\necho\r\n".to_string())));
}

#[test]
fn secrets_give_a_warning_that_does_not_show_them() {
    let sandbox = Sandbox::new();
    let secret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY";
    sandbox.file("key.sh", "#!/bin/sh\ncat <<.\n-----BEGIN RSA PRIVATE KEY-----\nMIIEabc\n.\n");
    sandbox.file("aws.cfg", format!("#cloud-config\naws_secret_access_key: {secret}\n"));
    sandbox.file("host.sh.j2", "#!/bin/sh\nexport AWS_SECRET_ACCESS_KEY={{ secret }}\n");
    let (user_data, said) = forced(&sandbox, &["key.sh", "aws.cfg"]);
    let rest = "anyone who may describe the instance, or runs on it, can read user-data";
    let warnings = [
        format!("mkuserdata: key.sh: line 3 looks like a private key: {rest}\n"),
        format!("mkuserdata: aws.cfg: line 2 looks like an AWS secret access key: {rest}\n"),
    ];
    assert_eq!(said, warnings.concat());
    let (_, of_template) = forced(&sandbox, &["--set", &format!("secret={secret}"), "host.sh.j2"]);
    assert_eq!(of_template, format!("mkuserdata: host.sh.j2: line 2 looks like an AWS secret access key: {rest}\n"));
    let again = check(&sandbox, &user_data).exits(1);
    assert_eq!(again.stderr.matches(rest).count(), 2, "{}", again.stderr);
    assert!(!format!("{said}{of_template}{}", again.stderr).contains("wJalr"));
}

#[test]
fn keeping_host_keys_off_the_console_gives_one_warning() {
    let sandbox = Sandbox::new();
    sandbox.file("quiet.cfg", "#cloud-config\nssh:\n  emit_keys_to_console: false\n");
    let (user_data, said) = forced(&sandbox, &["quiet.cfg"]);
    let rest = "line 3: emit_keys_to_console keeps the host keys off the console: \
                ec2-launch --host-keys would wait for them in vain\n";
    assert_eq!(said, format!("mkuserdata: quiet.cfg: {rest}"));
    let again = check(&sandbox, &user_data).exits(1);
    assert_eq!(again.stderr.matches("emit_keys_to_console").count(), 1, "{}", again.stderr);
}

/// Parts for which cloud-init would silently ignore all user-data, or skip the part.
#[test]
fn parts_that_cloud_init_rejects_are_refused() {
    let sandbox = Sandbox::new();
    sandbox.sh("printf hello | gzip -n > prose.gz; printf '#!/bin/sh\\n\\377' | gzip -n > binary.gz").exits(0);
    sandbox.sh("printf '#!/bin/sh\\n' | gzip -n | head -c 20 > cut.gz").exits(0);
    let gzip = |name: &str| std::fs::read(sandbox.dir().join(name)).expect("gzip");
    let jsonp = "## template: jinja\n#cloud-config-jsonp\n[{\"op\":\"add\",\"path\":\"/a\",\"value\":1}]\n";
    let cases: [(&str, Vec<u8>); 10] = [
        ("p:application/gzip", gzip("cut.gz")),
        ("p:application/gzip", gzip("binary.gz")),
        ("p:application/gzip", gzip("prose.gz")),
        // A template that becomes a patch is merged as if it were a mapping.
        ("p", jsonp.into()),
        ("p", b"#cloud-config-jsonp\n[{\"op\":\"change\",\"path\":\"/a\"}]\n".to_vec()),
        ("p", b"## template: jinja\n#!/bin/sh\n{{ cut\n".to_vec()),
        // --check looks into archives.
        ("p", b"#cloud-config-archive\n- word\n".to_vec()),
        ("p", b"#cloud-config-archive\n- \"\\n#!/bin/sh\"\n".to_vec()),
        ("p:message/rfc822", b"#!/bin/sh\n".to_vec()),
        ("p:multipart/mixed", b"#!/bin/sh\n".to_vec()),
    ];
    let unseen: Vec<_> = cases
        .iter()
        .filter(|(part, content)| {
            sandbox.file("p", content);
            sandbox.run("mkuserdata", &["--no-gzip", part], "").code == 0
        })
        .map(|(part, content)| format!("{part} {:?}", String::from_utf8_lossy(content)))
        .collect();
    assert_eq!(unseen, [""; 0]);
}

/// The wording differs by release; the failure is the same.
#[test]
fn a_comment_after_a_url_is_part_of_the_url() {
    let sandbox = Sandbox::new();
    let mut user_data = Vec::new();
    for (content, line) in [("#include file:///dev/null # mine\n", 1), ("#include\n/dev/null # mine\n", 2)] {
        sandbox.file("p", content);
        let start = format!("p: line {line} has text after its URL, which becomes part of the URL: ");
        assert!(refused(&sandbox, &["p"]).starts_with(&start));
        user_data.push(forced(&sandbox, &["--force", "p"]).0);
    }
    sandbox.file("p", "#include /dev/null\n# mine\n");
    user_data.push(build(&sandbox, &["p"]));
    for (verdicts, fails) in cloud_init::judge_each(&user_data).iter().zip([true, true, false]) {
        assert!(verdicts.iter().all(|verdict| verdict.failed.is_some() == fails));
    }
}

/// Building does not need Python.
#[test]
fn a_part_handler_is_compiled_and_never_run() {
    let mut sandbox = Sandbox::new();
    sandbox.file(
        "handler.py",
        "#part-handler\nopen('ran', 'w')\nimport nosuch\ndef list_types(): ...\ndef handle_part(*args): ...\n",
    );
    sandbox.file("broken.py", "#part-handler\ndef list_types(: handle_part\n");
    // Python would load it from the current folder.
    sandbox.file("sys.py", "open('ran', 'w')\n");
    build(&sandbox, &["handler.py"]);
    assert!(!sandbox.dir().join("ran").exists());
    assert!(refused(&sandbox, &["broken.py"]).starts_with("broken.py: line 2 is not Python: "));
    sandbox.env("PATH", kit::bin_dir().display().to_string());
    build(&sandbox, &["broken.py"]);
}
