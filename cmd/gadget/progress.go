package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"github.com/gadget-bpf/gadget/registry"
)

// move is one image on its way.
type move struct {
	// verb is what stderr calls it: push.
	verb      string
	from      registry.Source
	name      string
	to        registry.Target
	ref       registry.Reference
	platforms []string
	// compat is compatImage to make a container image of it.
	compat string
}

// moved is what became of it, as -o json prints it; sizes are in bytes.
type moved struct {
	Name     string   `json:"name"`
	Digest   string   `json:"digest"`
	Blobs    int      `json:"blobs"`
	Bytes    int64    `json:"bytes"`
	Existed  int      `json:"existed"`
	Attached []string `json:"attached"`
}

// move copies an image and tells how far that is.
func (a *app) move(ctx context.Context, m move) (*moved, error) {
	label := m.verb + " " + m.name
	if m.ref != (registry.Reference{}) {
		label = m.verb + " " + m.ref.String()
	}
	if m.compat == compatImage {
		image, err := a.asContainerImage(ctx, m)
		if err != nil {
			return nil, err
		}
		m.from, m.name = image, image.Digest.String()
	}
	p := a.newProgress(label)
	c, err := registry.Copy(ctx, m.from, m.name, m.to, m.ref, registry.CopyOptions{Platforms: m.platforms, Progress: p.tell})
	p.end()
	if err != nil {
		return nil, err
	}
	v := &moved{Name: m.ref.String(), Digest: c.Digest.String(), Blobs: c.Blobs, Bytes: c.Bytes, Existed: c.Existed, Attached: []string{}}
	for _, d := range c.Attached {
		v.Attached = append(v.Attached, d.String())
	}
	return v, nil
}

// asContainerImage reads an image that is on its way and makes another of it.
func (a *app) asContainerImage(ctx context.Context, m move) (*registry.ContainerImage, error) {
	d, err := m.from.Resolve(ctx, m.name)
	if err != nil {
		return nil, err
	}
	image, err := registry.Load(ctx, m.from, d)
	if err != nil {
		return nil, err
	}
	made, err := registry.AsContainerImage(image)
	if err != nil {
		return nil, err
	}
	a.log.Warn(fmt.Sprintf("%s of a container image: its digest is another one, and signatures stay behind", m.verb))
	return made, nil
}

// String is what stdout ends with: the name and the digest.
func (v *moved) String() string {
	ref, err := registry.ParseReference(v.Name)
	switch {
	case v.Name == "" || err != nil:
		return v.Digest
	case ref.Digest != "":
		return ref.String()
	}
	return ref.String() + "@" + v.Digest
}

// printMoved prints what was moved, each on a line or as JSON.
func (a *app) printMoved(format string, all []*moved) error {
	if format == "json" {
		return printJSON(a.out, all)
	}
	for _, v := range all {
		if _, err := fmt.Fprintln(a.out, v); err != nil {
			return err
		}
	}
	return nil
}

// progress tells on stderr how far a copy is: in one line that changes on a
// terminal, else in a line for each blob.
type progress struct {
	w     io.Writer
	label string
	width int // of a terminal that redraws, 0 for all else
	bytes map[string]int64
	done  int
	drawn time.Time
}

func (a *app) newProgress(label string) *progress {
	p := &progress{w: a.err, label: label, bytes: map[string]int64{}}
	if t := a.errTerm(); t.Redraws {
		p.width = t.Width
	}
	if a.global.quiet || a.global.logFormat.String() == "json" {
		p.w = io.Discard
	}
	return p
}

func (p *progress) tell(now registry.Progress) {
	p.bytes[now.Digest.String()] = now.Bytes
	if now.Done {
		p.done++
	}
	if p.width == 0 {
		p.line(now)
		return
	}
	if time.Since(p.drawn) < 100*time.Millisecond {
		return
	}
	p.drawn = time.Now()
	var sum int64
	for _, n := range p.bytes {
		sum += n
	}
	text := fmt.Sprintf("%s: %d of %d parts, %s of %s", p.label, p.done, now.Blobs, size(uint64(sum)), size(uint64(now.Total)))
	fmt.Fprintf(p.w, "\r\x1b[K%.*s", p.width-1, text)
}

func (p *progress) line(now registry.Progress) {
	if !now.Done {
		return
	}
	note := ""
	if now.Existed {
		note = " (there already)"
	}
	fmt.Fprintf(p.w, "%s: %.19s %s%s\n", p.label, now.Digest, size(uint64(now.Size)), note)
}

// end removes the line that changes.
func (p *progress) end() {
	if p.width > 0 && !p.drawn.IsZero() {
		io.WriteString(p.w, "\r\x1b[K")
	}
}
