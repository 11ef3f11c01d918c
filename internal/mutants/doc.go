// Command mutants breaks the code on purpose, one place at a time, and requires
// that a test fails each time. `make test-mutants` runs it.
//
// Two kinds of breakage:
//
//   - Generated: every condition, statement, return, timer, reason and path of
//     the call model's step function. All of them are compiled into one test
//     binary, each behind a switch, and an environment variable chooses one: a
//     mutant costs a test run, not a compilation (mutation schemata: Untch,
//     Offutt, Harrold, 1993).
//   - Patches: files in patches/, for parts whose mistakes are better picked by
//     hand. Each names the test that must notice it.
//
// A mutant that no test can notice has a line, with the reason, in
// equivalent.txt. Any other survivor makes the command fail, and so does a line
// there that names no mutant, or one that is caught.
package main
