package rtc

import (
	"time"

	"github.com/pion/interceptor"
	"github.com/pion/rtcp"
)

// reception is what a receiver knows of one RTP stream (RFC 3550 section 6.4.1
// and appendix A.3, A.8).
type reception struct {
	ssrc          uint32
	base, highest uint32 // extended sequence numbers; 0: nothing arrived
	count         uint32 // packets that arrived
	expectedPrior uint32 // at the last report
	countPrior    uint32
	began         time.Time
	transit       int32  // relative transit time of the last packet, 48 kHz
	jitter        uint32 // 16 times the jitter, 48 kHz

	senderReport   uint32 // middle 32 bits of the NTP time in the peer's last report
	senderReportAt time.Time
}

func (r *reception) observe(ssrc uint32, seq uint16, timestamp uint32, now time.Time) {
	if r.base == 0 || ssrc != r.ssrc {
		*r = reception{ssrc: ssrc, base: 1<<16 | uint32(seq), highest: 1<<16 | uint32(seq), began: now}
		r.transit = -int32(timestamp)
		r.count = 1
		return
	}
	r.count++
	if ahead := int16(seq - uint16(r.highest)); ahead > 0 {
		r.highest += uint32(ahead)
	}
	transit := int32(uint32(ticks(now.Sub(r.began))) - timestamp)
	d := transit - r.transit
	r.transit = transit
	if d < 0 {
		d = -d
	}
	r.jitter += uint32(d) - (r.jitter+8)>>4
}

// lost is expected minus arrived, at least 0.
func (r *reception) lost() uint32 {
	if r.base == 0 {
		return 0
	}
	return uint32(max(int64(r.highest)-int64(r.base)+1-int64(r.count), 0))
}

// report is the report block about the stream since the last one.
func (r *reception) report(now time.Time) rtcp.ReceptionReport {
	expected := r.highest - r.base + 1
	interval, arrived := expected-r.expectedPrior, r.count-r.countPrior
	r.expectedPrior, r.countPrior = expected, r.count
	fraction := uint8(0)
	if interval > arrived {
		fraction = uint8(min(256*uint64(interval-arrived)/uint64(interval), 255))
	}
	block := rtcp.ReceptionReport{
		SSRC:               r.ssrc,
		FractionLost:       fraction,
		TotalLost:          min(r.lost(), 1<<23-1), // 24 bits, signed
		LastSequenceNumber: r.highest - 1<<16,
		Jitter:             r.jitter >> 4,
	}
	if !r.senderReportAt.IsZero() {
		block.LastSenderReport = r.senderReport
		block.Delay = uint32(now.Sub(r.senderReportAt) * 65536 / time.Second)
	}
	return block
}

// sendReport sends one sender or receiver report, if there is anything to
// report.
func (s *Session) sendReport(now time.Time) {
	s.in.mu.Lock()
	var blocks []rtcp.ReceptionReport
	if s.in.base != 0 {
		blocks = append(blocks, s.in.report(now))
	}
	s.in.mu.Unlock()

	o := s.out
	o.mu.Lock()
	packets, bytes := o.sent.Packets, o.sent.Bytes
	timestamp := o.next + uint32(ticks(now.Sub(o.lastCall)))
	o.mu.Unlock()

	var report rtcp.Packet
	switch {
	case packets > 0:
		report = &rtcp.SenderReport{
			SSRC: s.ssrc, NTPTime: ntp(now), RTPTime: timestamp,
			PacketCount: uint32(packets), OctetCount: uint32(bytes), Reports: blocks,
		}
	case len(blocks) > 0:
		report = &rtcp.ReceiverReport{SSRC: s.ssrc, Reports: blocks}
	default:
		return
	}
	if err := s.pc.WriteRTCP([]rtcp.Packet{report}); err != nil {
		s.log.Debug("rtc: report not sent", "err", err)
	}
}

// readReports takes the peer's reports until the session closes.
func (s *Session) readReports(read func([]byte) (int, interceptor.Attributes, error)) {
	buf := make([]byte, receiveMTU)
	for {
		n, _, err := read(buf)
		if err != nil {
			return
		}
		s.takeReports(buf[:n], s.media.now())
	}
}

func (s *Session) takeReports(raw []byte, now time.Time) {
	packets, err := rtcp.Unmarshal(raw)
	if err != nil {
		return
	}
	for _, p := range packets {
		switch p := p.(type) {
		case *rtcp.SenderReport:
			s.in.mu.Lock()
			if p.SSRC == s.in.ssrc {
				s.in.senderReport, s.in.senderReportAt = uint32(p.NTPTime>>16), now
			}
			s.in.mu.Unlock()
			s.takeBlocks(p.Reports)
		case *rtcp.ReceiverReport:
			s.takeBlocks(p.Reports)
		}
	}
}

func (s *Session) takeBlocks(blocks []rtcp.ReceptionReport) {
	for _, b := range blocks {
		if b.SSRC != s.ssrc {
			continue
		}
		s.out.mu.Lock()
		s.out.sent.Lost = uint64(b.TotalLost)
		if b.TotalLost >= 1<<23 { // negative: duplicates arrived
			s.out.sent.Lost = 0
		}
		s.out.sent.Jitter = samples(b.Jitter)
		s.out.mu.Unlock()
	}
}

func samples(n uint32) time.Duration {
	return time.Duration(n) * time.Second / sampleRate
}

// ntp is the 64-bit time stamp of RFC 3550 section 4.
func ntp(t time.Time) uint64 {
	const secondsTo1970 = 2208988800
	return uint64(t.Unix()+secondsTo1970)<<32 | uint64(t.Nanosecond())<<32/1e9
}
