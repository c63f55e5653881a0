use super::parse::parse;
use crate::node_groups::NodeGroups;
use crate::tests::expanded;

fn why(expression: &str) -> String {
    parse(expression, &NodeGroups::in_folders(Vec::new())).unwrap_err().why
}

#[test]
fn brackets_can_be_anywhere_and_the_last_counts_fastest() {
    assert_eq!(expanded("mysql[1-3]"), ["mysql1", "mysql2", "mysql3"]);
    assert_eq!(expanded("n[1-2][3-4]"), ["n13", "n14", "n23", "n24"]);
    assert_eq!(expanded("n[1-2]0"), ["n10", "n20"]);
    assert_eq!(expanded("[1-2]"), ["1", "2"]);
    assert_eq!(expanded("10.0.[0-1].[1,9]"), ["10.0.0.1", "10.0.0.9", "10.0.1.1", "10.0.1.9"]);
    assert_eq!(expanded("us-east-1[a-c]"), ["us-east-1a", "us-east-1b", "us-east-1c"]);
}

#[test]
fn each_item_has_its_own_padding() {
    assert_eq!(expanded("n[08-10]"), ["n08", "n09", "n10"]);
    assert_eq!(expanded("n[1,02,003]"), ["n1", "n02", "n003"]);
    assert_eq!(expanded("n[8-10]"), ["n8", "n9", "n10"]);
    assert_eq!(expanded("n[001-3]"), ["n001", "n002", "n003"]);
    assert_eq!(expanded("n[98-101]").last().unwrap(), "n101");
    assert_eq!(expanded("n[00-0]"), ["n00"]);
    assert_eq!(expanded("n[00]"), ["n00"]);
    assert_eq!(expanded("[0-10/5,01:07:3]"), ["0", "5", "10", "01", "04", "07"]);
}

#[test]
fn commas_and_newlines_separate_names_and_blanks_do_not() {
    assert_eq!(expanded(" web1, web2\t,db[1, 2],"), ["web1", "web2", "db1", "db2"]);
    assert_eq!(expanded("root@web1\nfe80::1%eth0\r\n\n"), ["root@web1", "fe80::1%eth0"]);
    for text in ["My Web Server", "tab\tname", "a (b)", "(a) b", "n[1-2] @g", "a,b c", "a\u{a0}b", "\"a\" b"] {
        assert_eq!(why(text), "a comma is missing: blanks do not separate names", "{text}");
    }
    assert_eq!(
        parse("My Web", &NodeGroups::in_folders(Vec::new())).unwrap_err().to_string(),
        "bad expression: a comma is missing: blanks do not separate names\n  My Web\n    ^"
    );
}

#[test]
fn quoted_text_is_one_name() {
    assert_eq!(
        expanded(r#""My Web Server","a,b" , "web!old"!"web[1-2]","a!b""#),
        ["My Web Server", "a,b", "web!old", "a!b"]
    );
    assert_eq!(
        expanded(r#""tab\tname","\"q\"","back\\slash","\u00e9\ud83d\ude00""#),
        ["tab\tname", "\"q\"", "back\\slash", "é😀"]
    );
    assert_eq!(
        expanded(r#""My Web "[1-2]" x"[a-b],"@n"[1]"-""#).join("|"),
        "My Web 1 xa|My Web 1 xb|My Web 2 xa|My Web 2 xb|@n1-"
    );
    assert_eq!(expanded("(\" \"),\"#x\"\n\"{\""), [" ", "#x", "{"]);
    assert!(why("\"My").starts_with("\" is not closed by \""));
    assert!(why("a,\"b\tc\"").starts_with("in quotes: control character"));
    assert_eq!(why("\"\""), "there is nothing in the quotes");
    for text in ["a\"b\"", "\"a\"\"b\"", "n[1]a\"b\""] {
        assert_eq!(why(text), "a comma is missing before \"", "{text}");
    }
    for text in ["\"a\"b", "n[1]\"a\"b", "\"a\"@b"] {
        assert_eq!(why(text), "a comma is missing after \"", "{text}");
    }
    assert_eq!(why("\"a\"(b)"), "a comma is missing before (");
}

#[test]
fn an_operation_between_two_different_names_is_refused() {
    assert_eq!(why("web!old"), "! between two different names has no use");
    assert_eq!(why("web ^ old"), "^ between two different names has no use");
    assert_eq!(why("x,(a!b)"), "! between two different names has no use");
    assert!(expanded("a&b").is_empty());
    assert_eq!(expanded("(web)!old,x"), ["web", "x"]);
    assert_eq!(expanded("a,b!c"), ["a", "b"]);
    assert_eq!(expanded("n[1-2]!old"), ["n1", "n2"]);
}

#[test]
fn an_ipv6_address_before_a_port_is_in_brackets() {
    assert_eq!(expanded("[::1]:2222,root@[fe80::1%eth0]:22"), ["[::1]:2222", "root@[fe80::1%eth0]:22"]);
    assert_eq!(expanded("[::1]:[22-23]"), ["[::1]:22", "[::1]:23"]);
    assert_eq!(expanded("[2001:db8::1],[1:5:2]"), ["[2001:db8::1]", "1", "3", "5"]);
    assert_eq!(why("[::x]:22"), "not a number, a letter or a range such as 1-40");
}

#[test]
fn operations_go_from_left_to_right() {
    assert_eq!(expanded("n[1-5]!n[2-3]"), ["n1", "n4", "n5"]);
    assert_eq!(expanded("a,b ! b,c"), ["a", "c"]);
    assert_eq!(expanded("a,b&b"), ["b"]);
    assert_eq!(expanded("a,(b&b)"), ["a", "b"]);
    assert_eq!(expanded("n[1-2]^n[2-3]"), ["n1", "n3"]);
    assert_eq!(expanded("n[1-9]!(n[1-5]!n3)"), ["n3", "n6", "n7", "n8", "n9"]);
    assert!(expanded("a!a").is_empty());
}

#[test]
fn messages_say_what_is_wrong() {
    assert_eq!(why(""), "it is empty");
    assert_eq!(why(" , "), "there is no host in it");
    assert_eq!(why("()"), "there is no host in it");
    assert_eq!(why("web*"), "a host name has no pattern in it: ec2-ls takes patterns, and grep names");
    assert_eq!(why("web{1..3}"), "a host name has no '{' in it: write [1-3] for {1..3}");
    assert_eq!(why("n[1-"), "[ is not closed by ]");
    assert_eq!(why("n1]"), "] without a [ before it");
    assert_eq!(why("n[1-[2-3]]"), "a bracket within a bracket");
    assert_eq!(why("n[]"), "a number is missing");
    assert_eq!(why("n[1,,2]"), "a number is missing");
    for bad in ["n[1-a]", "n[-1]", "n[a-9]", "n[1-2-3]"] {
        assert_eq!(why(bad), "not a number, a letter or a range such as 1-40", "{bad}");
    }
    for bad in ["n[1-]", "n[1:]"] {
        assert_eq!(why(bad), "the end of the range is missing", "{bad}");
    }
    assert_eq!(why("n[1 - 3]"), "a blank within a number or range");
    assert_eq!(why("n[1–3]"), "this dash is not the - of a range");
    assert_eq!(why("n[1-9:2]"), "a step is written 1-9/2 or 1:9:2");
    assert!(why("web-[prod,test]").starts_with("brackets hold numbers and single letters"));
    assert!(why("a!^b").ends_with("(^FILE is an argument of its own)"));
    assert!(why("/tmp/x").ends_with("(what is in a file is ^FILE)"));
    assert_eq!(why("n[1..3]"), "not a number or a range: write 1-3 for 1..3");
    assert_eq!(why("n[a-F]"), "a range from small to capital letters");
    assert_eq!(why("n[40-1]"), "the range goes down: write 1-40");
    assert_eq!(why("n[f-a]"), "the range goes down: write a-f");
    assert_eq!(why("n[9-010]"), "the ends are padded differently: write 009-010 or 9-10");
    assert_eq!(why("n[08-010]"), "the ends are padded differently: write 008-010 or 08-10");
    assert_eq!(why("n[1-9/0]"), "a step of 0 leads nowhere");
    assert_eq!(why("n[1:9:x]"), "the step is not a number");
    assert_eq!(why("n[1/2]"), "a step without a range");
    assert_eq!(why("n[1-9/99999999999999999999]"), "a step beyond 64 bits");
    assert_eq!(why(&format!("n[{}1]", "0".repeat(70_000))), "a number of more than 255 digits");
    assert_eq!(why(&format!("n[1-{}1]", "0".repeat(70_000))), "a number of more than 255 digits");
    assert_eq!(why(&"[1-2]".repeat(101)), "too many brackets in one name");
    assert_eq!(why(&format!("[0-{}]", "9".repeat(250)).repeat(5)), "too many digits in one name");
    let said = "too many hosts for an operation: it reads at most 20000000 into memory";
    assert_eq!(why("n[1-20000001]!n5"), said);
    assert_eq!(expanded(&format!("(a){}", "!b&a".repeat(100_000))), ["a"]);
    assert_eq!(why("web1;reboot"), "a host name has no ';' in it");
    assert_eq!(why("$(reboot)"), "a host name has no '$' in it");
    assert_eq!(why("-oProxyCommand=x"), "a host name does not begin with '-' (to leave hosts out: ! or -x)");
}

#[test]
fn an_operation_has_two_sides() {
    assert_eq!(why("!a"), "there is nothing to the left of !: write both sides as one argument, or use -x");
    assert_eq!(why("^a"), "there is nothing to the left of ^ (^FILE is an argument of its own)");
    assert_eq!(why("a,!b"), "there is nothing to the left of !");
    assert_eq!(why("(!b)"), "there is nothing to the left of !");
    for bad in ["a!", "a & ", "a!,b", "a!&b", "(a!)"] {
        assert!(why(bad).starts_with("there is nothing to the right of"), "{bad}");
    }
    assert_eq!(why("(a"), "( is not closed by )");
    assert_eq!(why("a)"), ") without a ( before it");
    assert_eq!(why("a(b)"), "a comma is missing before (");
    assert_eq!(why("(a)b"), "a comma is missing before b");
    assert_eq!(why(&format!("{}a{}", "(".repeat(99_999), ")".repeat(99_999))), "parentheses nest too deep");
}

#[test]
fn node_groups_are_read_from_their_files() {
    let folder = tempfile::tempdir().unwrap();
    let groups = |text: &str| {
        std::fs::create_dir_all(folder.path().join("groups.d")).unwrap();
        std::fs::write(folder.path().join("groups.d/roles.yaml"), text).unwrap();
        NodeGroups::in_folders(vec![folder.path().to_path_buf()])
    };
    let groups = groups(
        "roles:\n  web: 'web[1-3]'\n  db1: db1\n  db2: 'db2 db3'\n  most: '@web!web2,@db[1-2]'\n  none: ''\n  a: '@b'\n  b: '@a'\n  bad: 'x[1-'\n",
    );
    let hosts = |expression: &str| match parse(expression, &groups) {
        Ok(set) => crate::tests::all(&set).join(" "),
        Err(error) => error.why.replace(&folder.path().display().to_string(), ""),
    };
    assert_eq!(hosts("@roles:web"), "web1 web2 web3");
    assert_eq!(hosts("x,@most!web3"), "x web1 db1 db2 db3");
    assert_eq!(hosts("x!@db[1-2]"), "x");
    assert_eq!(hosts("a&@none"), "");
    assert!(hosts("@*").contains("a node group contains itself"), "{}", hosts("@*"));
    assert!(hosts("@a").ends_with("a node group contains itself: @roles:a, @roles:b, @roles:a"), "{}", hosts("@a"));
    assert_eq!(hosts("@bad"), "@bad, in /groups.d/roles.yaml: at '[1-': [ is not closed by ]");
    assert_eq!(hosts("@"), "a group's name is missing after @");
    assert!(hosts("@wep").contains("did you mean @"), "{}", hosts("@wep"));
    assert_eq!(hosts("root@web1"), "root@web1");
}
