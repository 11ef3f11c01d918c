package call

import "time"

// notice is one event on its way to a call's handlers.
type notice struct {
	kind     noticeKind
	on       bool
	text     string
	level    int
	seq      int64
	data     []byte
	d        time.Duration
	device   Address
	standing *StandingBody
	quiet    bool // not for the handler
	err      error
	end      Disconnected
}

type noticeKind int

const (
	noticeMade noticeKind = iota
	noticeWaitConnected
	noticeUnreachable
	noticeAcknowledged
	noticeVerified
	noticeConnected
	noticePrepared
	noticeMic
	noticeLevel
	noticePeerMic
	noticePeerHold
	noticePeerLevel
	noticeMuteRequest
	noticeOpenRequest
	noticeOpenResult
	noticeShortData
	noticeShortDataResult
	noticeNetworkLost
	noticeNetworkBack
	noticeError   // background calls only
	noticeAdopted // background calls only; the last
	noticeDisconnected
)

// last reports whether nothing may follow.
func (n noticeKind) last() bool { return n == noticeDisconnected || n == noticeAdopted }

// stage names a notice in a call's record; "" for what is no stage.
func (n noticeKind) stage() string {
	switch n {
	case noticeWaitConnected:
		return "wait_connected"
	case noticeUnreachable:
		return "unreachable"
	case noticeAcknowledged:
		return "acknowledged"
	case noticeVerified:
		return "verified"
	case noticeConnected:
		return "connected"
	case noticePrepared:
		return "prepared"
	case noticeNetworkLost:
		return "network_unavailable"
	case noticeNetworkBack:
		return "network_reavailable"
	case noticeAdopted:
		return "adopted"
	case noticeDisconnected:
		return "disconnected"
	}
	return ""
}

// Handler is told what happens to a call. Each function may be nil. They run
// one at a time, in order, with no lock held, and may call any method.
type Handler struct {
	OnWaitConnected              func(*Call)                                                // caller: the push left
	OnUnreachable                func(*Call)                                                // caller: 2 s without an acknowledgement; revoked by OnAcknowledged
	OnAcknowledged               func(c *Call, device Address)                              // caller: this device rings
	OnVerified                   func(c *Call, peerUsesResponderPreparation bool)           // callee: the call stands; it may ring and be accepted
	OnConnected                  func(c *Call, inPreparation, shouldFinishPreparation bool) // the gates open; in preparation only with FinishPreparation, the callee's
	OnPreparationFinished        func(*Call)
	OnPeerMicMuted               func(*Call)
	OnPeerMicUnmuted             func(*Call)
	OnMyAudioMuteRequestedByPeer func(*Call)
	OnPeerHold                   func(c *Call, reason string)
	OnPeerUnhold                 func(*Call)
	OnPeerAudioDescription       func(c *Call, averageLevel int)        // 0-100
	OnOpenRequest                func(*Call)                            // the peer asks for the door; answer with AnswerOpen
	OnOpenResult                 func(c *Call, opened bool, why string) // why not, for a person
	OnShortData                  func(c *Call, typ string, data []byte)
	OnShortDataResult            func(c *Call, id int64, acknowledged bool)                 // once for each that was sent, after 4 s or with the end at the latest
	OnNetworkUnavailable         func(c *Call, isPeer bool, willDisconnectIn time.Duration) // the path is lost: by the peer's link, or by this one
	OnNetworkReavailable         func(*Call)
	OnDisconnected               func(*Call, Disconnected) // once, last
}

// MyMediaHandler is told of this side's own microphone.
type MyMediaHandler struct {
	OnMicMute                func(*Call)
	OnMicUnmute              func(*Call)
	OnAudioDescriptionUpdate func(c *Call, averageLevel int) // 0-100, at most every 200 ms or SetLevelInterval
}

func (c *Call) deliver(n notice) {
	if c.background != nil {
		c.background.deliver(n)
		return
	}
	h := c.handler
	switch n.kind {
	case noticeMade:
		give(c, c.group.handler.OnCall)
	case noticeWaitConnected:
		give(c, h.OnWaitConnected)
	case noticeUnreachable:
		give(c, h.OnUnreachable)
	case noticeAcknowledged:
		if h.OnAcknowledged != nil {
			h.OnAcknowledged(c, n.device)
		}
	case noticeVerified:
		if h.OnVerified != nil && !n.quiet {
			h.OnVerified(c, n.on)
		}
		if c.acceptsItself {
			c.Accept(AcceptOptions{})
		}
	case noticeConnected:
		if h.OnConnected != nil {
			h.OnConnected(c, n.on, n.on && c.role == RoleCallee)
		}
	case noticePrepared:
		give(c, h.OnPreparationFinished)
	case noticeMic:
		m := c.mediaHandler()
		if n.on {
			give(c, m.OnMicMute)
		} else {
			give(c, m.OnMicUnmute)
		}
	case noticeLevel:
		if f := c.mediaHandler().OnAudioDescriptionUpdate; f != nil {
			f(c, n.level)
		}
	case noticePeerMic:
		if n.on {
			give(c, h.OnPeerMicMuted)
		} else {
			give(c, h.OnPeerMicUnmuted)
		}
	case noticePeerHold:
		if !n.on {
			give(c, h.OnPeerUnhold)
		} else if h.OnPeerHold != nil {
			h.OnPeerHold(c, n.text)
		}
	case noticePeerLevel:
		if h.OnPeerAudioDescription != nil {
			h.OnPeerAudioDescription(c, n.level)
		}
	case noticeMuteRequest:
		give(c, h.OnMyAudioMuteRequestedByPeer)
	case noticeOpenRequest:
		give(c, h.OnOpenRequest)
	case noticeOpenResult:
		if h.OnOpenResult != nil {
			h.OnOpenResult(c, n.on, n.text)
		}
	case noticeShortData:
		if h.OnShortData != nil {
			h.OnShortData(c, n.text, n.data)
		}
	case noticeShortDataResult:
		if h.OnShortDataResult != nil {
			h.OnShortDataResult(c, n.seq, n.on)
		}
	case noticeNetworkLost:
		if h.OnNetworkUnavailable != nil {
			h.OnNetworkUnavailable(c, n.on, n.d)
		}
	case noticeNetworkBack:
		give(c, h.OnNetworkReavailable)
	case noticeDisconnected:
		if h.OnDisconnected != nil {
			h.OnDisconnected(c, n.end)
		}
	}
}

func give(c *Call, f func(*Call)) {
	if f != nil {
		f(c)
	}
}
