package identity_test

import (
	"crypto/ed25519"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"intercom/identity"
)

// From two keys to a message that its receiver can trust.
func Example() {
	if err := ring(); err != nil {
		fmt.Println(err)
	}
	// Output:
	// home/door/front/s1 says ring: {"button":1}
	// changed on its way: signature
}

func ring() error {
	dir, err := os.MkdirTemp("", "identity")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)

	// Once, where the service is administered.
	key, err := identity.CreateKey(filepath.Join(dir, "authority.key"))
	if err != nil {
		return err
	}
	authority := identity.Authority{Key: key}

	// Once, for each station: its key stays on it, its token comes to it.
	front := identity.Address{Service: "home", User: "door", Device: "front", Session: "s1"}
	deviceKey, err := identity.CreateKey(filepath.Join(dir, "device.key"))
	if err != nil {
		return err
	}
	token, err := authority.Issue(identity.TokenRequest{
		Service: front.Service, User: front.User, Device: front.Device,
		Key: deviceKey.Public(), Lifetime: 24 * time.Hour,
	})
	if err != nil {
		return err
	}

	// At the sender.
	sealer, err := identity.NewSealer(deviceKey, token, front)
	if err != nil {
		return err
	}
	anna := identity.Address{Service: "home", User: "anna"}
	data, err := sealer.Seal(identity.Envelope{
		ID: identity.NewID(), Type: "ring", To: anna, Body: json.RawMessage(`{"button":1}`),
	})
	if err != nil {
		return err
	}

	// At the receiver.
	floor := identity.OpenFloor(filepath.Join(dir, "clock"), time.Time{}, nil)
	defer floor.Close()
	verifier, err := identity.NewVerifier([]ed25519.PublicKey{key.Public()}, []string{"home"}, floor)
	if err != nil {
		return err
	}
	me := identity.Address{Service: "home", User: "anna", Device: "hall", Session: "s2"}
	e, err := verifier.OpenFor(me, data)
	if err != nil {
		return err
	}
	fmt.Printf("%s says %s: %s\n", e.From, e.Type, e.Body)

	if i := len(data) - 20; data[i] == 'A' {
		data[i] = 'B'
	} else {
		data[i] = 'A'
	}
	_, err = verifier.OpenFor(me, data)
	fmt.Println("changed on its way:", identity.Kind(err))
	return nil
}
