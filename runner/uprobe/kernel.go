package uprobe

import (
	"fmt"
	"io"
	"os"

	"github.com/cilium/ebpf"
	"github.com/cilium/ebpf/asm"
	"github.com/cilium/ebpf/features"
	"github.com/cilium/ebpf/link"
	"golang.org/x/sync/errgroup"

	"github.com/gadget-bpf/gadget/internal/plan"
)

// addressEntries is the size of the map of addresses where it is needed; what has
// not been used for longest falls out.
const addressEntries = 16384

// abilities are what kernels differ in.
type abilities struct {
	// multi: one link can have many places (Linux 6.6), and is detached at once
	// instead of in 0.1 s.
	multi bool
	// cookies: attachments carry a number (Linux 5.15).
	cookies bool
}

func kernelAbilities() abilities {
	return abilities{
		multi:   features.HaveBPFLinkUprobeMulti() == nil,
		cookies: features.HaveProgramHelper(ebpf.Kprobe, asm.FnGetAttachCookie) == nil,
	}
}

// Prepare changes a gadget that is about to be loaded so that the programs named can
// be attached on this kernel.
func Prepare(spec *ebpf.CollectionSpec, programs []string) error {
	if len(programs) == 0 {
		return nil
	}
	return prepare(spec, programs, kernelAbilities())
}

func prepare(spec *ebpf.CollectionSpec, programs []string, can abilities) error {
	kind := ebpf.AttachNone
	if can.multi {
		kind = ebpf.AttachTraceUprobeMulti
	}
	for _, name := range programs {
		spec.Programs[name].AttachType = kind
	}
	if can.cookies {
		if v := spec.Variables[plan.HasCookie]; v != nil {
			return v.Set(uint8(1))
		}
	} else if m := spec.Maps[plan.USDTAddresses]; m != nil {
		m.Type, m.MaxEntries = ebpf.LRUHash, max(m.MaxEntries, addressEntries)
	}
	return nil
}

// attacher attaches programs to files in the way that the kernel has.
type attacher struct {
	multi bool
	// specs is nil for gadgets that read no arguments of USDT probes.
	specs *specs
}

// attached is what one attachment holds.
type attached struct {
	links []io.Closer
	// arguments are the descriptions to give back.
	arguments []string
	// sites that were attached, with the numbers of their arguments.
	sites   []site
	numbers []uint64
}

// attach attaches a program to the places of a file. It may do a part of it: then
// there is an error too.
func (a *attacher) attach(p *probe, f *os.File, sites []site) (*attached, error) {
	done := &attached{}
	warning := a.describe(p, done, sites)
	if len(done.sites) == 0 {
		return done, warning
	}
	ex, err := link.OpenExecutable(fdPath(int(f.Fd())))
	if err != nil {
		return done, err
	}
	if a.multi {
		l, err := a.attachMany(p, ex, done.sites, done.numbers)
		if err == nil {
			done.links = append(done.links, l)
			return done, warning
		}
		if len(done.sites) == 1 {
			return done, err
		}
	}
	// One of them is refused: the others count.
	var kept attached
	for i, s := range done.sites {
		l, err := a.attachOne(p, ex, s, done.numbers[i])
		if err != nil {
			warning = fmt.Errorf("at %#x: %w", s.offset, err)
			continue
		}
		done.links = append(done.links, l)
		kept.sites, kept.numbers = append(kept.sites, s), append(kept.numbers, done.numbers[i])
	}
	done.sites, done.numbers = kept.sites, kept.numbers
	return done, warning
}

// describe finds a number for the arguments of each place. The error is about places
// or arguments that are left out.
func (a *attacher) describe(p *probe, done *attached, sites []site) (warning error) {
	for _, s := range sites {
		number := uint32(0)
		if p.target.usdt() && a.specs != nil {
			n, ok, err := a.specs.take(s.arguments)
			if err != nil {
				warning = err
			}
			if !ok {
				continue
			}
			number = n
			done.arguments = append(done.arguments, s.arguments)
		}
		done.sites, done.numbers = append(done.sites, s), append(done.numbers, uint64(number))
	}
	return warning
}

// attachMany attaches to all places by one link.
func (a *attacher) attachMany(p *probe, ex *link.Executable, sites []site, numbers []uint64) (io.Closer, error) {
	o := &link.UprobeMultiOptions{}
	for _, s := range sites {
		o.Addresses = append(o.Addresses, s.offset)
		o.RefCtrOffsets = append(o.RefCtrOffsets, s.semaphore)
	}
	if p.target.usdt() {
		o.Cookies = numbers
	}
	if p.target.returns() {
		return ex.UretprobeMulti(nil, p.loaded, o)
	}
	return ex.UprobeMulti(nil, p.loaded, o)
}

// attachOne attaches to one place.
func (a *attacher) attachOne(p *probe, ex *link.Executable, s site, number uint64) (io.Closer, error) {
	if a.multi {
		return a.attachMany(p, ex, []site{s}, []uint64{number})
	}
	o := &link.UprobeOptions{Address: s.offset, RefCtrOffset: s.semaphore}
	if p.target.usdt() && a.specs != nil && a.specs.addresses == nil {
		o.Cookie = number
	}
	if p.target.returns() {
		return ex.Uretprobe("", p.loaded, o)
	}
	return ex.Uprobe("", p.loaded, o)
}

// placeAll says at which addresses the probes of an attachment are in some process,
// 0 for those that it does not have, where attachments carry no number.
func (a *attacher) placeAll(done *attached, addresses []uint64) error {
	if a.specs == nil || a.specs.addresses == nil || len(done.arguments) == 0 {
		return nil
	}
	for i, at := range addresses {
		if at == 0 {
			continue
		}
		if err := a.specs.place(at, uint32(done.numbers[i])); err != nil {
			return err
		}
	}
	return nil
}

// detachAtOnce is how many links are closed side by side: each may take the kernel
// 0.1 s, and a thread of ours.
const detachAtOnce = 64

// detach undoes attach.
func (a *attacher) detach(done *attached) error {
	var group errgroup.Group
	group.SetLimit(detachAtOnce)
	for _, l := range done.links {
		group.Go(l.Close)
	}
	err := group.Wait()
	for _, text := range done.arguments {
		a.specs.release(text)
	}
	return err
}
