package call_test

import (
	"fmt"

	"intercom/call"
)

// A push comes when nothing is up that could talk. The call is verified in the
// background and rings; the user presses accept, the device gets its voice
// ready, and adopts the call. Another process of the device does the same with
// the id that PendingBackgroundCalls gives, where both have one Config.Journal.
func ExampleKit_VerifyBackgroundCall() {
	h := newHouse()
	rings, connected, over := make(chan string, 1), make(chan struct{}), make(chan struct{})

	panel := h.kit("home", "panel", func(k *call.Kit, ccParam string) {
		cc, err := call.ParseCCParam(ccParam)
		if err != nil {
			return
		}
		_, err = k.VerifyBackgroundCall(call.VerifyCallParam{MyUserID: "home", MyServiceID: "house", CCParam: cc}, call.BackgroundHandler{
			OnVerified: func(b *call.BackgroundCall, _ bool) {
				fmt.Printf("%s is at the door: %s\n", b.Peer().User, b.StartMessage())
				fmt.Println("may it be accepted as it is?", b.Accept(call.AcceptOptions{}))
				b.Ringing()
				rings <- b.ID()
			},
			OnAdopted:      func(*call.BackgroundCall) { fmt.Println("the ringer stops") },
			OnDisconnected: func(_ *call.BackgroundCall, d call.Disconnected) { fmt.Println("not adopted:", d.Reason) },
		})
		if err != nil {
			fmt.Println(err)
		}
	})
	defer panel.Close()
	door := h.kit("door", "d1", nil)
	defer door.Close()

	visit, err := door.MakeCall(call.MakeCallParam{
		MyUserID: "door", MyServiceID: "house", PeerUserID: "home", PeerServiceID: "house",
		AccessToken: "token", StartMessage: "a parcel",
	}, call.Handler{
		OnConnected: func(*call.Call, bool, bool) { close(connected) },
	})
	if err != nil {
		fmt.Println(err)
		return
	}

	id := <-rings // the user presses accept
	c, err := panel.AdoptBackgroundCall(id, call.Handler{
		OnDisconnected: func(_ *call.Call, d call.Disconnected) {
			fmt.Println("it ended:", d.Reason)
			close(over)
		},
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println("accepted:", c.Accept(call.AcceptOptions{}))
	<-connected
	fmt.Println("they talk")
	visit.End()
	<-over
	// Unordered output:
	// door is at the door: a parcel
	// may it be accepted as it is? false
	// accepted: true
	// the ringer stops
	// they talk
	// it ended: normal
}
