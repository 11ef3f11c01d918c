package call

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"strconv"
	"strings"
)

// entry is what the journal keeps of a call. A file holds one:
//
//	intercom call journal, version 1, crc-32 8f2d01ac
//	{"state":"background","cc_param":...}
//
// The checksum (IEEE) is of all after the first line: a file that was cut
// short, or half written to a dying card, is told from a good one.
type entry struct {
	State    entryState `json:"state"`
	CCParam  string     `json:"cc_param"`
	Owner    Address    `json:"owner"`
	Boot     string     `json:"boot"`     // the kernel's boot id
	Until    int64      `json:"until_ms"` // CLOCK_BOOTTIME at which its ring is over: wall time is not to be trusted
	Nonces   []string   `json:"nonces"`   // of this device's live checks
	Verified bool       `json:"verified"`
	Rang     bool       `json:"rang,omitempty"` // the caller was told that it rings on this device

	AllowCallWithoutMic   bool   `json:"without_mic,omitempty"`
	AudioActivationByUser bool   `json:"activation_by_user,omitempty"`
	Survived              bool   `json:"survived,omitempty"` // a glare: who adopts it accepts it by that
	Declined              bool   `json:"declined,omitempty"` // by this device's user: it rings here no more
	AppData               []byte `json:"app_data,omitempty"`
	StartMessage          string `json:"start_message,omitempty"`
}

// entryState says what became of a call.
type entryState string

const (
	entryNone       entryState = ""           // not in the journal
	entryBackground entryState = "background" // may be adopted
	entryForeground entryState = "foreground" // may be adopted once its owner is dead
	entryAdopted    entryState = "adopted"    // kept for a while, for a clear answer
	entryEnded      entryState = "ended"      // too
)

const (
	entryVersion = 1
	entryHead    = "intercom call journal, version "
	maxEntry     = 16 << 10 // bytes; app data is 4096 at most
)

// errLater is what an entry of a later version gives: it is left alone.
var errLater = errors.New("it was written by a later version")

func (e entry) marshal() ([]byte, error) {
	body, err := json.Marshal(e)
	if err != nil {
		return nil, err
	}
	body = append(body, '\n')
	return append(fmt.Appendf(nil, "%s%d, crc-32 %08x\n", entryHead, entryVersion, crc32.ChecksumIEEE(body)), body...), nil
}

// parseEntry reads a file of the journal.
func parseEntry(data []byte) (entry, error) {
	if len(data) > maxEntry {
		return entry{}, fmt.Errorf("it has more than %d bytes", maxEntry)
	}
	head, body, ok := bytes.Cut(data, []byte("\n"))
	rest, ours := strings.CutPrefix(string(head), entryHead)
	if !ok || !ours {
		return entry{}, errors.New("it is not of a call journal, or cut short")
	}
	v, sum, _ := strings.Cut(rest, ", crc-32 ")
	version, err := strconv.ParseUint(v, 10, 31)
	if err != nil || version == 0 {
		return entry{}, errors.New("it is damaged")
	}
	if version > entryVersion {
		return entry{}, fmt.Errorf("version %d: %w", version, errLater)
	}
	if sum != fmt.Sprintf("%08x", crc32.ChecksumIEEE(body)) {
		return entry{}, errors.New("it is damaged, or cut short")
	}
	var e entry
	if err := json.Unmarshal(body, &e); err != nil {
		return entry{}, fmt.Errorf("it is damaged: %w", err)
	}
	return e, e.check()
}

func (e entry) check() error {
	switch e.State {
	case entryBackground, entryForeground, entryAdopted, entryEnded:
	default:
		return fmt.Errorf("its state %q is not known", clip(string(e.State)))
	}
	if _, err := ParseCCParam(e.CCParam); err != nil {
		return err
	}
	for _, n := range e.Nonces {
		if !ValidID(n) {
			return fmt.Errorf("its nonce %q is not an id", clip(n))
		}
	}
	if len(e.Nonces) > 2*maxReplaces || len(e.AppData) > MaxAppData || len(e.StartMessage) > MaxStartMessage {
		return errors.New("it has too much in it")
	}
	return nil
}

// param is what the call was verified with.
func (e entry) param() (VerifyCallParam, error) {
	cc, err := ParseCCParam(e.CCParam)
	return VerifyCallParam{
		MyUserID: e.Owner.User, MyServiceID: e.Owner.Service, CCParam: cc,
		AllowCallWithoutMic: e.AllowCallWithoutMic, AudioActivationByUser: e.AudioActivationByUser,
	}, err
}

// id is the call's.
func (e entry) id() string {
	cc, _ := ParseCCParam(e.CCParam) // check has parsed it
	return cc.callID
}

// of reports whether the entry is of this device.
func (e entry) of(a Address) bool {
	return e.Owner.sameDevice(a)
}
