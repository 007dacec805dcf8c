//! Method: transcripts of the command line in `tests/cmd/` are run and compared, output and exit code.

#[test]
fn transcripts_of_the_command_line_are_what_it_prints() {
    trycmd::TestCases::new().case("tests/cmd/*.trycmd");
}
