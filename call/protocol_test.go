package call

import (
	"bytes"
	"encoding/json"
	"os"
	"regexp"
	"testing"
)

// TestProtocolPage parses each example of docs/protocol.md as the message that
// it stands for, strictly, and wants one for every type with a body.
func TestProtocolPage(t *testing.T) {
	page, err := os.ReadFile("../docs/protocol.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[MessageType]bool{}
	for _, m := range regexp.MustCompile("(?s)```json (\\w+)\n(.*?)\n```").FindAllSubmatch(page, -1) {
		if string(m[1]) == "envelope" {
			continue // package identity's
		}
		ty := MessageType(m[1])
		b, err := DecodeBody(ty, m[2])
		if err != nil {
			t.Errorf("%s: %v", ty, err)
			continue
		}
		strict := json.NewDecoder(bytes.NewReader(m[2]))
		strict.DisallowUnknownFields()
		into, _ := ty.body()
		if err := strict.Decode(into); err != nil {
			t.Errorf("%s: the page has a field that the code has not: %v", ty, err)
		}
		if e, ok := b.(*EndBody); ok && e.Reason == ReasonUnknown {
			t.Errorf("%s: unknown reason", ty)
		}
		seen[ty] = true
	}
	for _, ty := range []MessageType{TypePush, TypeVerify, TypeStanding, TypeRinging, TypeLease, TypeAccept, TypeConnected, TypePrepared, TypeEnd, TypeEnded, TypeMute, TypeMuteRequest, TypeHold, TypeOpen, TypeOpenResult, TypeShortData, TypeShortDataAck, TypeCandidate, TypeOffer, TypeAnswer, TypeRestart, TypeUnknown} {
		if b, known := ty.body(); !known {
			t.Errorf("%s has no body type", ty)
		} else if b != nil && !seen[ty] {
			t.Errorf("%s has no example", ty)
		}
		if !bytes.Contains(page, []byte("`"+string(ty)+"`")) {
			t.Errorf("%s is not on the page", ty)
		}
	}
}
