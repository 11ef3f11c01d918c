package main

import (
	"context"
	"embed"
	"fmt"
	"io/fs"
	"math"
	"time"

	"intercom/audio"
	"intercom/audio/audiotest"
	"intercom/lab/exchange"
)

// houseFiles are the configurations and board profiles that are in /etc/intercom on the board.
//
//go:embed house
var houseFiles embed.FS

// houseBoot is a boot with the program and its configuration.
func (r *runner) houseBoot(ctx context.Context, spec exchange.Spec) (boot, error) {
	b := boot{spec: spec, programs: map[string]string{}, data: map[string][]byte{}}
	bin, err := r.build.intercom(ctx)
	if err != nil {
		return b, err
	}
	b.programs["bin/intercom"] = bin
	err = fs.WalkDir(houseFiles, "house", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := houseFiles.ReadFile(path)
		b.data["etc/intercom"+path[len("house"):]] = data
		return err
	})
	return b, err
}

// What times are made of. One emulated processor carries both stations, the broker and their surroundings, and the
// loopback card moves in ticks: what is aimed at on two boards is less. A run repeats to the nanosecond, but each changed
// program is another draw of how all of them meet (VARIANTS=20 draws so often): so a limit is the sum of the most that
// each part may take, and no figure of one run.
const (
	tick      = 4 * time.Millisecond  // of the loopback card: so late it tells of a period, and so much higher a loudspeaker's buffer is filled
	processor = 20 * time.Millisecond // for which a thread may have to wait for it (TestKernelYields)
	contact   = 9 * time.Millisecond  // a contact bounces; 4 ms of rest make a press of it
	codec     = 7 * time.Millisecond  // what Opus looks ahead
	way       = 4 * time.Millisecond  // of a period's sound from its end: encoded, encrypted, sent, decoded
)

// Limits.
const (
	pressToLamp   = contact + processor + lookEvery
	pressToRing   = contact + 30*time.Millisecond + processor + period + tick // 30: the call is made, sent, checked and answered
	acceptToVoice = contact + 12*time.Millisecond + processor + period + tick // 12: it is sent, and the first voice takes its way
	// A period is filled, told of, encoded and sent. It waits in the jitter buffer for the next turn; this buffer is as
	// long as the latest packet was late. Then it follows the period that sounds.
	mouthToEarLimit = period + tick + codec + way + processor + period + period + tick
	shiftedLimit    = mouthToEarLimit + period // with a period of silence that a drift needed, or what a card's return has left
	// heldLimit is for the loudspeaker's buffer: two periods when one begins (alsa's keptFilled); together at most one more
	// for the tick, and for late wake-ups soon after the start that are taken for the driver's. The whole buffer is four.
	heldLimit    = 3 * period
	lookEvery    = 2 * time.Millisecond
	lookError    = processor + lookEvery // how exactly the lines are looked at, and a timer of the board runs
	silenceLevel = -70.0                 // dBFS
	heardLevel   = -35.0                 // dBFS
	callXruns    = 1                     // a rare wait for the processor is longer than what the loudspeaker's buffer then holds: see lab/README.md
	cpuLimit     = 0.26                  // seconds of the emulated processor for a second of call, both stations: a count of instructions
)

// call boots the house once and judges what it did.
func call(ctx context.Context, r *runner) error {
	a, err := r.callBoot(ctx)
	if err != nil {
		return err
	}
	j, err := r.judgeOf(a)
	if err != nil {
		return err
	}
	j.boot()
	j.ringing()
	j.talking()
	j.opening()
	j.costs()
	return j.err
}

func (r *runner) callBoot(ctx context.Context) (answer, error) {
	b, err := r.houseBoot(ctx, exchange.Spec{Case: "call"})
	if err != nil {
		return answer{}, err
	}
	a, err := r.boot(ctx, b)
	if err == nil {
		r.calls = append(r.calls, a)
	}
	return a, err
}

// judge checks evidence; err is the first moment that is missing.
type judge struct {
	*runner
	*evidence
	err error
}

// judged boots a house once, and gives who judges what it did.
func (r *runner) judged(ctx context.Context, b boot) (judge, error) {
	a, err := r.boot(ctx, b)
	if err != nil {
		return judge{}, err
	}
	return r.judgeOf(a)
}

func (r *runner) judgeOf(a answer) (judge, error) {
	e, err := newEvidence(a)
	return judge{runner: r, evidence: e}, err
}

func (j *judge) when(name string) time.Duration {
	at, err := j.at(name)
	if err != nil && j.err == nil {
		j.err = err
	}
	return at
}

func (j *judge) boot() {
	press, ring, declined := j.when("boot_press"), j.when("boot_ring"), j.when("boot_declined")
	j.check("pressed while the door boots", ring > press, "rings after %v", (ring - press).Round(time.Microsecond))
	blinks := flashes(j.lines["door/CALL-LAMP"], declined, declined+3*time.Second)
	j.check("declined", isTripleBlink(blinks), "the door's lamp blinks three times and rests: %v", blinks)
}

func isTripleBlink(blinks []flash) bool {
	if len(blinks) != 3 {
		return false
	}
	for _, b := range blinks {
		if !near(b.length, 200*time.Millisecond) {
			return false
		}
	}
	return near(blinks[1].from-blinks[0].from, 400*time.Millisecond) && near(blinks[2].from-blinks[1].from, 400*time.Millisecond)
}

func near(a, b time.Duration) bool { return (a - b).Abs() <= lookError }

func (j *judge) ringing() {
	press, ring, acknowledged, accept := j.when("press"), j.when("ring_sample"), j.when("acknowledged"), j.when("accept")
	j.measure("press to ringing", exchange.Milliseconds(ring-press, pressToRing), ring > press, "%v, at most %v", (ring - press).Round(time.Microsecond), pressToRing)
	lamp := j.lines["door/CALL-LAMP"]
	trying := flashes(lamp, press, acknowledged)
	j.measure("lamp while it is tried", exchange.Milliseconds(first(trying)-press, pressToLamp), len(trying) > 0, "lit %v after the press, at most %v", first(trying)-press, pressToLamp)
	for _, station := range []string{"door", "indoor"} {
		blinks := flashes(j.lines[station+"/CALL-LAMP"], acknowledged, accept)
		ok := len(blinks) >= 2
		for i := 1; i < len(blinks); i++ {
			ok = ok && near(blinks[i].from-blinks[i-1].from, time.Second)
		}
		j.check(station+" lamp while it rings", ok, "%d flashes, a second apart", len(blinks))
	}
	j.tone("ring indoors", "indoor", ring+50*time.Millisecond, 300*time.Millisecond, audio.Ring().Segments[0].Freqs[0])
	j.tone("ringback at the door", "door", acknowledged+100*time.Millisecond, 300*time.Millisecond, audio.Ringback().Segments[0].Freqs[0])
	for _, station := range []string{"door", "indoor"} {
		j.silence("before the press", station, press-500*time.Millisecond, 500*time.Millisecond)
	}
}

func first(f []flash) time.Duration {
	if len(f) == 0 {
		return -1
	}
	return f[0].from
}

func (j *judge) tone(name, station string, at, length time.Duration, freq float64) {
	level := audiotest.Goertzel(j.speakers[station].from(at, length), freq)
	j.check(name, level > heardLevel, "%.0f Hz at %.1f dBFS", freq, level)
}

func (j *judge) silence(name, station string, at, length time.Duration) {
	pcm := j.speakers[station].from(at, length)
	level := audiotest.RMS(pcm)
	j.check(station+" is silent "+name, len(pcm) > 0 && !(level > silenceLevel), "%.0f dBFS", math.Max(level, -120))
}

func (j *judge) talking() {
	accept, end := j.when("accept"), j.when("end")
	for _, station := range []string{"door", "indoor"} {
		voice := j.when(station + "_first_voice")
		j.measure("accept to first voice at the "+station, exchange.Milliseconds(voice-accept, acceptToVoice), voice > accept, "%v, at most %v",
			(voice - accept).Round(time.Microsecond), acceptToVoice)
		j.check(station+" lamp in the call", steady(j.lines[station+"/CALL-LAMP"], true, accept+100*time.Millisecond, end), "on")
		j.check(station+" lamp after the call", steady(j.lines[station+"/CALL-LAMP"], false, end+100*time.Millisecond, j.when("over")), "off")
		j.silence("after the call", station, j.when("over")-500*time.Millisecond, 400*time.Millisecond)
	}
	j.voice("door", "door", "indoor", 700)
	j.voice("indoor", "indoor", "door", 1100)
	said := j.when("muted_said")
	pcm := j.speakers["door"].from(said, 1200*time.Millisecond)
	level := audiotest.Goertzel(pcm, 1900)
	_, score, found := audiotest.FindMark(pcm, audiotest.Mark())
	j.check("muted", len(pcm) > 0 && !(level > silenceLevel) && !found, "nothing arrives: %.0f dBFS, correlation %.2f", math.Max(level, -120), score)
	mute := flashes(j.lines["indoor/MUTE-LAMP"], 0, j.when("over"))
	held := j.when("unmute") - j.when("mute")
	j.check("mute lamp", len(mute) == 1 && near(mute[0].length, held), "%v for %v of mute", mute, held)
	j.voice("unmuted", "indoor", "door", 1100)
	for _, way := range []struct{ mark, to string }{{"door", "indoor"}, {"indoor", "door"}, {"unmuted", "door"}} {
		held := j.when(way.mark + "_held")
		j.measure(way.to+" loudspeaker's buffer, "+way.mark, exchange.Milliseconds(held, heldLimit), held > 0, "holds up to %v, at most %v", held, heldLimit)
	}
}

// voice wants the mark and the tone that were spoken at one side at the other.
func (j *judge) voice(mark, from, to string, freq float64) {
	j.voiceWithin(mouthToEarLimit, mark, from, to, freq)
}

func (j *judge) voiceWithin(limit time.Duration, mark, from, to string, freq float64) {
	said := j.when(mark + "_said")
	pcm := j.speakers[to].from(said, 1400*time.Millisecond)
	offset, score, found := audiotest.FindMark(pcm, audiotest.Mark())
	late := time.Duration(offset / 48000 * float64(time.Second))
	name := fmt.Sprintf("voice from the %s to the %s", from, to)
	if mark != from {
		name += ", " + mark
	}
	j.measure(name, exchange.Milliseconds(late, limit), found, "correlation %.2f, mouth to ear %v, at most %v; about %v of it in the jitter buffer, up to %v in the loudspeaker's",
		score, late.Round(10*time.Microsecond), limit, j.when(mark+"_jitter").Round(10*time.Microsecond), j.when(mark+"_held"))
	tone := j.speakers[to].from(said+late+200*time.Millisecond, 800*time.Millisecond)
	level, all := audiotest.Goertzel(tone, freq), audiotest.RMS(tone)
	j.check(name+", its tone", level > heardLevel && math.Abs(level-all) < 1, "%.0f Hz at %.1f dBFS, all sound %.1f dBFS", freq, level, all)
}

func (j *judge) opening() {
	open, over := j.when("open"), j.when("over")
	strikes := flashes(j.lines["door/STRIKE"], 0, over)
	j.check("door opener", len(strikes) == 1 && strikes[0].from > open && strikes[0].from-open < 100*time.Millisecond && near(strikes[0].length, time.Second),
		"on for a second, %v after the press: %v", (first(strikes) - open).Round(time.Microsecond), strikes)
	for _, station := range []string{"door", "indoor"} {
		lamps := flashes(j.lines[station+"/OPEN-LAMP"], 0, over)
		// Indoors it is lit for a time of its own: the door does not tell when it closes.
		j.check(station+" lamp while the door is open", len(lamps) == 1 && lamps[0].from-open < 100*time.Millisecond && lamps[0].length > 990*time.Millisecond, "%v", lamps)
	}
	for _, name := range sortedKeys(j.lines) {
		if levelAt(j.lines[name], over+time.Hour) {
			j.check("all off at the end", false, "%s is on", name)
			return
		}
	}
	j.check("all off at the end", true, "lamps and opener, after both stations have stopped")
}

// xruns wants no more than limit in the call, and in the surroundings. Before it, while the first session of a new process
// is made, the one emulated processor is too busy for some; those are told only.
func (j *judge) xruns(limit float64) {
	during, before, world, worldBefore := 0.0, 0.0, 0.0, 0.0
	for _, s := range []string{"door", "indoor"} {
		before += j.marks[s+"_xruns_before"]
		worldBefore += j.marks[s+"_world_xruns_before"]
		during += j.marks[s+"_xruns_after"] - j.marks[s+"_xruns_before"]
		world += j.marks[s+"_world_xruns_after"] - j.marks[s+"_world_xruns_before"]
	}
	j.measure("xruns", exchange.Figure{Got: max(during, world), Limit: limit}, true, "%.0f in the call, %.0f before it; of the surroundings %.0f and %.0f; at most %.0f in the call", during, before, world, worldBefore, limit)
}

// costs asserts what a call second costs; under virtual time that is a count of instructions.
func (j *judge) costs() {
	j.xruns(callXruns)
	cpu := j.marks["cpu_per_call_second"]
	j.measure("cost", exchange.Figure{Got: cpu, Limit: cpuLimit, Unit: "s"}, cpu > 0, "%.3f s of the emulated processor for a second of call, both stations, at most %.3f", cpu, cpuLimit)
}
