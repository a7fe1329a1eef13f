package uprobe

import (
	"errors"
	"fmt"
	"path"
	"regexp"
	"strings"

	"github.com/gadget-bpf/gadget/internal/executable"
	"github.com/gadget-bpf/gadget/internal/plan"
)

// target is where a program is to be attached.
type target struct {
	plan.UserTarget
	kind string
	// pattern matches names of functions, nil unless the kind is for many.
	pattern *regexp.Regexp
}

func newTarget(kind, hook string) (target, error) {
	t := target{kind: kind}
	var err error
	if t.UserTarget, err = plan.ParseUserTarget(kind, hook); err != nil || !plan.IsUserMulti(kind) {
		return t, err
	}
	// Patterns with * and ?, as one expression.
	text := regexp.QuoteMeta(t.Name)
	for _, mark := range [][2]string{{`\*`, `.*`}, {`\?`, `.`}, {`,`, `|`}} {
		text = strings.ReplaceAll(text, mark[0], mark[1])
	}
	t.pattern, err = regexp.Compile("^(?:" + text + ")$")
	return t, err
}

// absolute says that the file is given by its path.
func (t *target) absolute() bool { return path.IsAbs(t.File) }

func (t *target) usdt() bool { return t.Provider != "" }

func (t *target) returns() bool { return plan.IsUserReturn(t.kind) }

// called says whether a file of that path is the one that the target names. The
// path is that in the container, without what /proc adds for deleted files.
func (t *target) called(name string) bool {
	if t.absolute() {
		return name == t.File
	}
	return libraryCalled(path.Base(name), t.File)
}

// site is a place in a file to attach at.
type site struct {
	// offset in the file, semaphore the same for that of a USDT probe or 0.
	offset, semaphore uint64
	// arguments describes those of a USDT probe.
	arguments string
}

// maxSites is how many functions of a file one program is attached to.
const maxSites = 4096

// errAbsent says that a file has nothing of the name.
var errAbsent = errors.New("no such function")

// sites finds the places in a file; the error is errAbsent when it has none. The
// list may come with an error about places that were left out. Functions written in
// Go are no library's.
func (t *target) sites(f *executable.File) ([]site, error) {
	if t.usdt() {
		return t.probeSites(f)
	}
	var (
		functions []executable.Function
		err       error
	)
	if t.pattern != nil {
		functions, err = f.Matching(t.pattern.MatchString, maxSites)
	} else {
		functions, err = f.Functions(t.Name)
	}
	var sites []site
	for _, fn := range functions {
		switch {
		case fn.Go && !t.absolute():
		case fn.Chooser:
			err = fmt.Errorf("%s there only chooses between functions for different processors: name one of those", t.Name)
		case t.returns() && fn.Go:
			err = errGoReturn
		case t.Offset > 0 && t.Offset >= fn.Size && fn.Size > 0:
			err = fmt.Errorf("%s has %d bytes only", t.Name, fn.Size)
		default:
			sites = append(sites, site{offset: fn.Offset + t.Offset})
		}
	}
	if len(sites) == 0 && err == nil {
		err = errAbsent
	}
	return sites, err
}

// errGoReturn keeps programs from crashing.
var errGoReturn = errors.New("it is a Go function, whose program would crash: Go moves its stacks, and return probes put an address on them; " +
	"use a uprobe at its RET instructions")

func (t *target) probeSites(f *executable.File) ([]site, error) {
	probes, err := f.Probes(t.Provider, t.Name)
	if len(probes) == 0 && err == nil {
		return nil, errAbsent
	}
	var sites []site
	for _, p := range probes {
		sites = append(sites, site{p.Offset, p.Semaphore, p.Arguments})
	}
	return sites, err
}
