use super::catalogue::paths;
use super::*;
use std::fs;
use tempfile::{TempDir, tempdir};

const MAP: &str = concat!(
    "map: [ -f $CFGDIR/groups ] && f=$CFGDIR/groups || f=$CFGDIR/groups.d/local.cfg; ",
    r"sed -n 's/^$GROUP:\(.*\)/\1/p' $f"
);
const DIRS: &str = "confdir: $CFGDIR/groups.conf.d\nautodir: \"$CFGDIR/groups.d\" ${CFGDIR}/groups.d/";

/// Folders `etc` and `home`, of which `home` has precedence, with these files.
fn files(files: &[(&str, &str)]) -> TempDir {
    let top = tempdir().unwrap();
    for (path, content) in files {
        let path = top.path().join(path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, content).unwrap();
    }
    top
}

fn find(top: &TempDir, source: &str, group: &str) -> Result<Definition, String> {
    NodeGroups::in_folders(["etc", "home"].map(|folder| top.path().join(folder)).into())
        .find(Some(source).filter(|source| !source.is_empty()), group)
        .map_err(|error| error.replace(top.path().to_str().unwrap(), "TOP"))
}

fn text(top: &TempDir, source: &str, group: &str) -> String {
    let found = find(top, source, group).unwrap();
    format!("{}:{}={}", found.source, found.group, found.texts.join(" | "))
}

fn stock() -> TempDir {
    let conf = format!("# stock\n[Main]\n\ndefault: local\n{DIRS}\n[local]\n{MAP}\n; end\n");
    files(&[
        ("etc/groups.conf", &conf),
        ("etc/groups.d/local.cfg", "# comment: none\nadm: n0\nweb: n1 n2\nweb: n[3-4]!n3\n\nstray\n"),
        (
            "etc/groups.d/b.yaml",
            "racks:\n  r1: 'n[1-2]'\n  r2: [n3, 7, 'n4,n5']\n  r3: 12\n  all: '@r[1-2]'\n  none:\n",
        ),
        ("etc/groups.d/a.yaml", "cpu: &cpu {ivy: \"@racks:r1\", op: 'a&b', plain: \"c\\nd\\n\"}\nother: {<<: *cpu}\n"),
        ("etc/groups.d/.c.yaml", "]"),
        ("etc/groups.d/c.yaml.example", "]"),
        ("etc/groups.conf.d/x.conf", "[slurm,sp]\nmap: sinfo -h -o \"%N\" -p $GROUP ; # = : [x]\n  | more\n"),
    ])
}

#[test]
fn the_flat_file_of_the_stock_source_is_read() {
    let top = stock();
    assert_eq!(text(&top, "", "adm"), "local:adm=n0");
    assert_eq!(text(&top, "local", "web"), "local:web=n1 n2,n[3-4]!n3");
    assert_eq!(find(&top, "", "adm").unwrap().file, top.path().join("etc/groups.d/local.cfg"));
    fs::write(top.path().join("etc/groups"), "adm: old\n").unwrap();
    assert_eq!(text(&top, "", "adm"), "local:adm=old");
}

#[test]
fn yaml_gives_texts_lists_and_numbers() {
    let top = stock();
    assert_eq!(text(&top, "racks", "r1"), "racks:r1=n[1-2]");
    assert_eq!(text(&top, "racks", "r2"), "racks:r2=n3,7,n4,n5");
    assert_eq!(text(&top, "racks", "r3"), "racks:r3=12");
    assert_eq!(text(&top, "racks", "none"), "racks:none=");
    assert_eq!(text(&top, "other", "ivy"), "other:ivy=@racks:r1");
}

#[test]
fn all_of_a_source_is_its_group_all_or_every_group() {
    let top = stock();
    assert_eq!(text(&top, "racks", "*"), "racks:all=@r[1-2]");
    assert_eq!(text(&top, "cpu", "*"), "cpu:*=@racks:r1 | a&b | c\nd");
    assert_eq!(text(&top, "", "*"), "local:*=n0 | n1 n2,n[3-4]!n3");
}

#[test]
fn only_sources_that_are_programs_are_refused() {
    let top = stock();
    let why = "come out of a program (map in TOP/etc/groups.conf.d/x.conf), which is not run here: give the hosts by";
    assert_eq!(find(&top, "sp", "x").unwrap_err(), format!("the groups of \"sp\" {why} \"$(nodeset -f @sp:GROUP)\""));
    for map in [
        "map: cat /etc/passwd",
        r"map: sed -n 's/^$GROUP:\(.*\)/\1/p' /etc/groups | sort",
        r"map: sed -n 's/^$GROUP:\(.*\)/\1/p' $HOME/g",
        &format!("{MAP}; date"),
        "list: x",
    ] {
        let top = files(&[("etc/groups.conf", &format!("[local]\n{map}\n"))]);
        assert!(find(&top, "local", "x").unwrap_err().contains("(map in TOP/etc/groups.conf)"), "{map}");
    }
    let conf = "[old]\nmap: sed -n 's/^$GROUP:\\(.*\\)/\\1/p' $CFGDIR/my-file\n";
    let top = files(&[("etc/groups.conf", conf), ("etc/my-file", "a: b\n")]);
    assert_eq!(text(&top, "", "a"), "old:a=b");
}

#[test]
fn the_default_source_is_set_by_groups_conf_or_the_first() {
    let yaml = ("etc/groups.d/x.yaml", "one: {a: n1}\ntwo: {a: n2}\n");
    let conf = |default| format!("[Main]\nAutodir = $CFGDIR/groups.d\n{default}");
    let with = |default| files(&[("etc/groups.conf", &conf(default)), yaml]);
    assert_eq!(text(&with("default: two"), "", "a"), "two:a=n2");
    assert_eq!(text(&with("default:"), "", "a"), "one:a=n1");
    let why = "no source of groups \"twoo\" (the default of groups.conf) in TOP/etc/groups.conf, \
               TOP/etc/groups.d/x.yaml, which have one, two: did you mean @two:a?";
    assert_eq!(find(&with("default: twoo"), "", "a").unwrap_err(), why);
}

#[test]
fn the_groups_conf_of_the_last_folder_overrides_and_is_cfgdir() {
    let top = stock();
    let add = |path: &str, content: &str| {
        fs::create_dir_all(top.path().join("home/groups.d")).unwrap();
        fs::write(top.path().join(path), content).unwrap();
    };
    add("home/groups.d/mine.yaml", "mine: {a: n1}\n");
    let why = "no source of groups \"mine\" in TOP/etc/groups.conf, TOP/etc/groups.conf.d/x.conf, \
               TOP/etc/groups.d/a.yaml, TOP/etc/groups.d/b.yaml, which have slurm, sp, cpu, other, racks, local; \
               not read: TOP/home/groups.d: in no autodir of groups.conf";
    assert_eq!(find(&top, "mine", "a").unwrap_err(), why);
    add("home/groups.conf", "[Main]\ndefault: mine\n");
    assert_eq!(text(&top, "", "a"), "mine:a=n1");
    assert!(find(&top, "racks", "r1").is_err());
    // Options that are not set again keep their values, with this $CFGDIR.
    let why = "TOP/home/groups.d/local.cfg: cannot read: No such file or directory (os error 2)";
    assert_eq!(find(&top, "local", "adm").unwrap_err(), why);
    add("home/groups.d/local.cfg", "adm: mine\n");
    assert_eq!(text(&top, "local", "adm"), "local:adm=mine");
}

#[test]
fn without_groups_conf_the_files_beside_it_are_the_groups() {
    let yaml = |name, content| files(&[(name, content)]);
    assert_eq!(text(&yaml("home/groups.d/x.yaml", "only: {a: n1}"), "", "a"), "only:a=n1");
    let two = "x: {a: n1}\ndefault: {a: n2}";
    assert_eq!(text(&yaml("home/groups.d/x.yaml", two), "", "a"), "default:a=n2");
    assert_eq!(text(&yaml("etc/groups.d/local.cfg", "a: n3"), "", "a"), "local:a=n3");
    let both = files(&[("etc/groups", "a: n3"), ("home/groups.d/local.cfg", "a: n4"), ("etc/groups.d/x.yaml", two)]);
    assert_eq!((text(&both, "", "a"), text(&both, "x", "a")), ("local:a=n4".into(), "x:a=n1".into()));
    let why = "which source of groups? TOP/home/groups.d/x.yaml have x, y: write @SOURCE:a, or 'default: SOURCE' \
               under [Main] in a groups.conf";
    assert_eq!(find(&yaml("home/groups.d/x.yaml", "x: {}\ny: {}"), "", "a").unwrap_err(), why);
    let why = "there are no node groups (groups.conf, groups.d/*.yaml, groups.d/local.cfg) in TOP/etc, TOP/home";
    assert_eq!(find(&files(&[]), "", "a").unwrap_err(), why);
}

#[test]
fn the_error_for_a_missing_group_names_the_files_and_a_similar_group() {
    let top = stock();
    let local = "in the source \"local\" (TOP/etc/groups.d/local.cfg)";
    assert_eq!(find(&top, "", "wbe").unwrap_err(), format!("no group \"wbe\" {local}: did you mean @web?"));
    assert_eq!(find(&top, "", "r1").unwrap_err(), format!("no group \"r1\" {local}: did you mean @racks:r1?"));
    assert_eq!(find(&top, "", "database").unwrap_err(), format!("no group \"database\" {local}"));
    let why = "no group \"al\" in the source \"racks\" (TOP/etc/groups.d/b.yaml): did you mean @racks:all?";
    assert_eq!(find(&top, "racks", "al").unwrap_err(), why);
    assert!(find(&top, "rack", "r1").unwrap_err().ends_with(": did you mean @racks:r1?"));
    assert!(find(&top, "", "").is_err());
}

#[test]
fn a_broken_file_is_named_with_the_reason() {
    let broken = |name: &str, content: &str| find(&files(&[(name, content)]), "", "a").unwrap_err();
    let yaml = |content| broken("etc/groups.d/x.yaml", content).replace("TOP/etc/groups.d/x.yaml: ", "");
    assert_eq!(
        yaml("a: [b"),
        "did not find expected ',' or ']' at line 2 column 1, while parsing a flow sequence at line 1 column 4"
    );
    assert_eq!(yaml("- a"), "it is no mapping of sources to groups");
    assert_eq!(yaml("s: x"), "\"s\" is no mapping of groups to nodes");
    assert_eq!(yaml("s: {g: {a: b}}"), "\"s\": \"g\" is neither a text nor a list of texts");
    assert_eq!(yaml("s: {g: [true]}"), "\"s\": \"g\" is neither a text nor a list of texts");
    assert_eq!(yaml("s: {g: a, g: b}"), "s: duplicate entry with key \"g\" at line 1 column 4");
    assert_eq!(broken("etc/groups.d/x.yaml/y", ""), "TOP/etc/groups.d/x.yaml: it is no regular file");
    let ini = |content| broken("etc/groups.conf", content).replace("TOP/etc/groups.conf: ", "");
    assert_eq!(ini("[Main\n"), "line 1: Found opening bracket for section name but no closing bracket");
    assert_eq!(ini("default: x\n"), "\"default\" is no 'option: value' of a [section]");
    assert_eq!(ini("[Main]\nwhat\n"), "\"what\" is no 'option: value' of a [section]");
    assert_eq!(ini("[Main]\nautodir: 'x\n"), "autodir: a quote is not closed");
}

#[test]
fn a_binary_file_is_refused_and_an_unreadable_one_is_named() {
    let top = stock();
    let yaml = top.path().join("etc/groups.d/z.yaml");
    fs::write(&yaml, b"s: {g: \xff}").unwrap();
    let why = "TOP/etc/groups.d/z.yaml: it is not UTF-8: invalid utf-8 sequence of 1 bytes from index 7";
    assert_eq!(find(&top, "", "adm").unwrap_err(), why);
    fs::File::create(&yaml).unwrap().set_len((64 << 20) + 1).unwrap();
    assert_eq!(find(&top, "", "adm").unwrap_err(), "TOP/etc/groups.d/z.yaml: it is larger than 64 MiB");
    fs::remove_file(&yaml).unwrap();
    let listener = std::os::unix::net::UnixListener::bind(&yaml).unwrap();
    assert_eq!(find(&top, "", "adm").unwrap_err(), "TOP/etc/groups.d/z.yaml: it is no regular file");
    drop(listener);
    fs::remove_file(&yaml).unwrap();
    std::os::unix::fs::symlink("gone", &yaml).unwrap();
    assert_eq!(text(&top, "", "adm"), "local:adm=n0");
    let why = "; not read: TOP/etc/groups.d/z.yaml: cannot read: No such file or directory (os error 2)";
    assert!(find(&top, "z", "x").unwrap_err().ends_with(why));
}

#[test]
fn a_source_in_two_files_is_an_error_as_in_clustershell() {
    let top = files(&[("etc/groups.d/x.yaml", "s: {a: n1}"), ("home/groups.d/y.yaml", "s: {a: n2}")]);
    let why = "the source of groups \"s\" is defined twice: in TOP/etc/groups.d/x.yaml and in TOP/home/groups.d/y.yaml";
    assert_eq!(find(&top, "s", "a").unwrap_err(), why);
}

#[test]
fn a_folder_that_is_given_twice_is_read_once() {
    let top = files(&[("etc/groups.d/x.yaml", "s: {a: n1}")]);
    let folder = top.path().join("etc");
    assert!(NodeGroups::in_folders(vec![folder.clone(), folder]).find(None, "a").is_ok());
}

#[test]
fn an_error_is_one_line_of_visible_text() {
    let top = files(&[("etc/groups.d/x.yaml", "\"a\\nb\\e[1m\": {c: n1}")]);
    let why = "no source of groups \"x\" in TOP/etc/groups.d/x.yaml, which have a\\nb\\u{1b}[1m";
    assert_eq!(find(&top, "x", "c").unwrap_err(), why);
}

#[test]
fn the_folders_are_those_of_clustershell() {
    let of = |vars: &[(&str, &str)]| {
        let var = |name: &str| vars.iter().find(|(known, _)| *known == name).map(|(_, value)| value.into());
        paths(&folders(var, Some("/h".into())))
    };
    let system = "/etc/clustershell, /h/.local/etc/clustershell";
    let usual = format!("{system}, /usr/etc/clustershell, /h/.config/clustershell");
    assert_eq!(of(&[]), usual);
    assert_eq!(of(&[("XDG_CONFIG_HOME", ""), ("CLUSTERSHELL_CFGDIR", "")]), usual);
    let all = [("XDG_CONFIG_HOME", "/x"), ("CLUSTERSHELL_CFGDIR", "cfg"), ("VIRTUAL_ENV", "/v")];
    assert_eq!(of(&all), format!("{system}, /v/etc/clustershell, /x/clustershell, cfg"));
}
