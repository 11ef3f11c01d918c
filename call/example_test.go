package call_test

import (
	"errors"
	"fmt"
	"time"

	"intercom/call"
)

// A door calls a user, and hears what becomes of it.
func ExampleKit_MakeCall() {
	h := newHouse()
	home := h.kit("home", "panel", answers(call.Handler{}))
	door := h.kit("door", "d1", nil)
	defer home.Close()
	defer door.Close()

	over := make(chan bool)
	_, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house",
		PeerUserID: "home", PeerServiceID: "house",
		AccessToken: "token", StartMessage: "parcel",
	}, call.Handler{
		OnWaitConnected: func(*call.Call) { fmt.Println("the push left") },
		OnAcknowledged:  func(_ *call.Call, device call.Address) { fmt.Println(device.Device, "rings") },
		OnConnected:     func(c *call.Call, _, _ bool) { fmt.Println("talking to", c.Peer().User); c.End() },
		OnDisconnected:  func(_ *call.Call, d call.Disconnected) { fmt.Println(d.Reason, "by the", d.Source); close(over) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	<-over
	// Output:
	// the push left
	// panel rings
	// talking to home
	// normal by the caller
}

// Why a call did not start is found in the error.
func ExampleStartError() {
	door := newHouse().kit("door", "d1", nil)
	defer door.Close()
	_, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "door", PeerServiceID: "house", AccessToken: "token",
	}, call.Handler{})
	fmt.Println(errors.Is(err, call.StartIDConflict), call.StartReason(err).String())
	fmt.Println(err)
	// Output:
	// true idConflict
	// call: idConflict: user "door" calls itself
}

// An indoor station asks whether a call that was pushed still stands, and
// rings.
func ExampleKit_VerifyCall() {
	h := newHouse()
	over := make(chan bool)
	home := h.kit("home", "panel", func(k *call.Kit, ccParam string) {
		cc, err := call.ParseCCParam(ccParam)
		if err != nil {
			fmt.Println(err)
			return
		}
		_, err = k.VerifyCall(call.VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: cc}, call.Handler{
			OnVerified: func(c *call.Call, _ bool) {
				fmt.Printf("%s rings: %s\n", c.Peer().User, c.StartMessage())
				c.Ringing() // true only where it really rings
				c.End()     // before the answer: a decline
			},
			OnDisconnected: func(_ *call.Call, d call.Disconnected) { fmt.Println(d.Reason, "by the", d.Source); close(over) },
		})
		if err != nil {
			fmt.Println(err)
		}
	})
	door := h.kit("door", "d1", nil)
	defer home.Close()
	defer door.Close()
	_, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token", StartMessage: "parcel",
	}, call.Handler{})
	if err != nil {
		fmt.Println(err)
	}
	<-over
	// Output:
	// door rings: parcel
	// decline by the callee
}

// Accept asks for the call; it is this device's once OnConnected comes. Until
// the callee finishes its preparation no voice passes.
func ExampleCall_Accept() {
	h := newHouse()
	over := make(chan bool)
	home := h.kit("home", "panel", rings(call.Handler{
		OnVerified: func(c *call.Call, offered bool) {
			fmt.Println("asked for:", c.Accept(call.AcceptOptions{UseResponderPreparation: offered}))
		},
		OnConnected: func(c *call.Call, inPreparation, shouldFinish bool) {
			fmt.Println("connected; in preparation:", inPreparation)
			if shouldFinish {
				c.FinishPreparation() // the amplifier is on
			}
		},
		OnPreparationFinished: func(c *call.Call) { fmt.Println("voice passes"); c.End() },
		OnDisconnected:        func(*call.Call, call.Disconnected) { close(over) },
	}))
	door := h.kit("door", "d1", nil)
	defer home.Close()
	defer door.Close()
	_, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token", UseResponderPreparation: true,
	}, call.Handler{})
	if err != nil {
		fmt.Println(err)
	}
	<-over
	// Output:
	// asked for: true
	// connected; in preparation: true
	// voice passes
}

// A few bytes from one application to the other, while connected.
func ExampleCall_SendShortData() {
	h := newHouse()
	home := h.kit("home", "panel", answers(call.Handler{
		OnShortData: func(_ *call.Call, typ string, data []byte) { fmt.Printf("home got %s: %s\n", typ, data) },
	}))
	door := h.kit("door", "d1", nil)
	defer home.Close()
	defer door.Close()
	over := make(chan bool)
	_, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house", AccessToken: "token",
	}, call.Handler{
		OnConnected: func(c *call.Call, _, _ bool) {
			if _, err := c.SendShortData("light", make([]byte, call.MaxShortData+1)); err != nil {
				fmt.Println(err)
			}
			if _, err := c.SendShortData("light", []byte("on")); err != nil {
				fmt.Println(err)
			}
		},
		OnShortDataResult: func(c *call.Call, id int64, acknowledged bool) { c.End() },
		OnDisconnected:    func(*call.Call, call.Disconnected) { close(over) },
	})
	if err != nil {
		fmt.Println(err)
	}
	<-over
	// Output:
	// call: short data has 801 bytes, at most 800
	// home got light: on
}

// One press rings several users: here the neighbour, whose station is off, and
// 200 ms later those at home as well. The first answer ends the other calls.
func ExampleKit_MakeGroupCall() {
	h := newHouse()
	home := h.kit("home", "panel", answers(call.Handler{}))
	door := h.kit("door", "d1", nil)
	defer home.Close()
	defer door.Close()
	over := make(chan bool)
	_, err := door.MakeGroupCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerServiceID: "house", AccessToken: "token",
	}, []call.GroupMember{
		{UserID: "neighbour"},
		{UserID: "home", After: 200 * time.Millisecond},
	}, call.GroupHandler{
		Handler: call.Handler{
			OnConnected: func(c *call.Call, _, _ bool) { fmt.Println(c.Peer().User, "answered"); c.Group().End() },
		},
		OnOver: func(_ *call.Group, d call.Disconnected) { fmt.Println("over:", d.Reason); close(over) },
	})
	if err != nil {
		fmt.Println(err)
	}
	<-over
	// Output:
	// home answered
	// over: normal
}
