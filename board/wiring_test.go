package board

import (
	"bytes"
	"flag"
	"os"
	"testing"

	"github.com/google/go-cmp/cmp"
)

//go:generate go test -run ^TestWiringDoc$ -update .

var update = flag.Bool("update", false, "write the tables of docs/wiring.md")

const (
	wiringDoc   = "../docs/wiring.md"
	wiringBegin = "<!-- From here on made from board/profiles by go generate ./board; a test fails when it is stale. -->\n\n"
)

// TestWiringDoc compares the tables of docs/wiring.md with the profiles.
func TestWiringDoc(t *testing.T) {
	var tables bytes.Buffer
	if err := WriteAll(&tables, ""); err != nil {
		t.Fatal(err)
	}
	doc, err := os.ReadFile(wiringDoc)
	if err != nil {
		t.Fatal(err)
	}
	head, _, found := bytes.Cut(doc, []byte(wiringBegin))
	if !found {
		t.Fatalf("%s has no line %q", wiringDoc, wiringBegin)
	}
	want := append(append(head[:len(head):len(head)], wiringBegin...), tables.Bytes()...)
	if *update {
		if err := os.WriteFile(wiringDoc, want, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if diff := cmp.Diff(string(want), string(doc)); diff != "" {
		t.Errorf("%s is stale: run go generate ./board (-want +got):\n%s", wiringDoc, diff)
	}
}
