package call

import "errors"

// What a Kit makes of messages that come in.

// receive takes one sealed message from the transport or a data channel.
func (k *Kit) receive(data []byte) {
	msg, err := k.cfg.Sealer.Open(data)
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.closed {
		return
	}
	if err != nil {
		kind := "invalid"
		var e interface{ Kind() string }
		if errors.As(err, &e) {
			kind = e.Kind()
		}
		k.drop(kind, err)
		return
	}
	if msg.From == k.cfg.Self {
		k.drop("own", nil)
		return
	}
	if !k.seen.add(msg.From.Session, msg.ID) {
		k.counters["repeated"]++
		return
	}
	body, err := DecodeBody(msg.Type, msg.Body)
	if errors.Is(err, errUnknownType) {
		k.drop("unknown_type", nil)
		if msg.Type != TypeUnknown {
			k.transmit(nil, actSend{to: msg.From, bind: msg.Bind, typ: TypeUnknown, body: &UnknownTypeBody{Type: clip(string(msg.Type))}, path: pathMQTT}, msg.Call)
		}
		return
	}
	if err != nil {
		k.drop("body", err)
		return
	}
	c := k.calls[msg.Call]
	if c != nil && (c.role == RoleCallee && msg.From != c.peer || msg.From.UserAddress() != c.peer.UserAddress()) {
		k.drop("stranger", nil)
		return
	}
	switch {
	case c != nil && !(msg.Type == TypePush && k.backFrom(c)):
		if msg.Type == TypePush {
			k.backgroundInGlare(c)
		}
		if !k.apply(c, evMessage{msg.From, msg.Bind, msg.Type, body, k.cfg.Now()}) {
			k.counters["ignored"]++
		}
	case msg.Type == TypePush:
		k.pushed(msg, body.(*PushBody))
	case msg.Type == TypeVerify:
		// a call of ours that is long over, or of an earlier life
		nonce := body.(*VerifyBody).Nonce
		k.transmit(nil, actSend{to: msg.From, bind: nonce, typ: TypeEnd, body: &EndBody{Reason: ReasonReleasedCall, Source: SourceTransport}, path: pathMQTT}, msg.Call)
		k.counters["late"]++
	default:
		k.counters["late"]++
	}
}

func (k *Kit) pushed(msg Message, b *PushBody) {
	cc, err := ParseCCParam(b.CCParam)
	if err != nil {
		k.drop("cc_param", err)
		return
	}
	if cc.callID != msg.Call || cc.caller != msg.From {
		k.drop("cc_param", errors.New("the cc_param names another call or caller than the push"))
		return
	}
	if k.adopting[cc.callID] {
		return
	}
	if _, ok := k.used[cc.callID]; ok {
		remember(k.used, cc.callID, 2*DefaultRingTime) // for as long as it is repeated
		k.counters["late"]++
		return
	}
	if k.pushedInGlare(cc, millis(b.Age)) {
		return
	}
	if k.busy(cc.callID) && !k.makeWay(cc) {
		k.replyBusy(cc.callID, cc.caller)
		return
	}
	if _, ok := k.known[cc.callID]; ok {
		remember(k.known, cc.callID, 2*DefaultRingTime)
		return // the application had it
	}
	if k.survivor.id != cc.callID && k.elsewhere(cc.callID) {
		return
	}
	select {
	case k.pushes <- b.CCParam:
		remember(k.known, cc.callID, 2*DefaultRingTime)
	default:
		k.counters["push_queue_full"]++ // its repeat comes in a second
	}
}

func (k *Kit) drop(kind string, err error) {
	k.counters[kind]++
	if n := k.counters[kind]; n&(n-1) == 0 { // 1st, 2nd, 4th ...: a bounded rate
		k.log.Warn("message dropped", "kind", kind, "count", n, "err", err)
	}
}
