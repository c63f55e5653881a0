//! Hints for options of other tools: pssh-rs and aws ssm send-command.

/// Returns what `ec2-run` has for an option of another tool.
pub fn hint(word: &str) -> Option<String> {
    let hint = match word {
        "--instance-ids" | "--targets" | "-H" | "--host" => {
            "hosts are -w 'HOST,HOST', or records on stdin: ec2-ls role=web | ec2-run -- COMMAND"
        }
        "--parameters" | "--document-name" => "the command is written last, after --",
        "--comment" => "ec2-run sets the comment of its commands itself",
        "--max-concurrency" => "to work on so many hosts at a time: -f NUMBER",
        "--max-errors" => "to begin no more hosts after so many failures: --max-fail NUMBER",
        "--timeout-seconds" => "the time for the agent to fetch the command is --delivery-timeout TIME",
        "--sudo" | "--become" => "the command runs as root; as another user: --user USER",
        "--push" | "--pull" => "ec2-run runs commands and scripts only; pssh-rs copies files",
        "--stdin" | "--tty" => "a command of ec2-run has neither input nor terminal; pssh-rs can give it both",
        "-l" | "-u" => "the user is --user USER; the time limit for each host is -t TIME",
        "-a" => "-w '@*' is all hosts of the node groups; the command is written last, after --",
        "-g" => "a node group is -w @GROUP",
        "--hostfile" | "--hostlist" | "--inventory" => "to read hosts from a file: -w ^FILE",
        "-e" | "--errdir" => "to write output to files: --outdir DIR, for stdout and stderr",
        "--forks" | "--par" => "to work on so many hosts at a time: -f NUMBER",
        "-P" | "--print" => "to write lines, also to a pipe: --lines",
        "-n" => "to send nothing: --dry-run",
        "--output-s3-bucket-name" | "--output-s3-key-prefix" => {
            "complete output by a bucket: --output-bucket BUCKET/PREFIX"
        }
        "--working-directory" => "the folder of the command is --chdir FOLDER",
        "--json" => "records are JSON lines in a pipe; on a terminal too: -o json",
        "-i" | "-p" | "-J" | "-F" | "--identity" | "--port" | "--jump" | "--engine" | "--ssh-option" => {
            "this is an option of pssh-rs; ec2-run does not use SSH"
        }
        _ => return cerveza_ec2::awscli_hint(word),
    };
    Some(hint.to_string())
}
