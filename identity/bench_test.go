package identity

import (
	"encoding/json"
	"strings"
	"testing"
)

// benchMessage has the size of a live check with its offer: a body of 1.2 kB.
func benchMessage(h *house) Envelope {
	e := h.message()
	e.Body = json.RawMessage(`{"sdp":"` + strings.Repeat("x", 1200) + `"}`)
	return e
}

func BenchmarkSeal(b *testing.B) {
	h := newHouse(b)
	e := benchMessage(h)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.door.sealer.Seal(e); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkOpen(b *testing.B) {
	for name, forget := range map[string]bool{"known sender": false, "new sender": true} {
		b.Run(name, func(b *testing.B) {
			h := newHouse(b)
			data, err := h.door.sealer.Seal(benchMessage(h))
			if err != nil {
				b.Fatal(err)
			}
			b.ReportAllocs()
			for b.Loop() {
				if forget {
					h.verifier.recent.Init()
					clear(h.verifier.cached)
				}
				if _, err := h.verifier.Open(data); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkOpenForged is what an attacker can make a station work, a message.
func BenchmarkOpenForged(b *testing.B) {
	h := newHouse(b)
	token := forge(dict{"alg": "EdDSA", "typ": typToken}, claimsOf(h.door.addr, h.door.key), signWith(h.phone.key))
	header := dict{"alg": "EdDSA", "typ": typEnvelope, "tok": token}
	data := []byte(forge(header, payloadOf(h.door.addr, h.phone.addr), signWith(h.phone.key)))
	b.ReportAllocs()
	for b.Loop() {
		if _, err := h.verifier.Open(data); Kind(err) != "token" {
			b.Fatal(err)
		}
	}
}
