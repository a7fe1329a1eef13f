package uprobe

import (
	"errors"
	"log/slog"
	"os"
	"sync"
	"time"

	"github.com/gadget-bpf/gadget/internal/executable"
)

// closeWithin bounds how long Close waits for the kernel and for files that do not
// answer.
const closeWithin = 5 * time.Second

// registry has the attachments of a run: one for each program and inode, as long as
// a unit uses it. It is for any number of goroutines.
type registry struct {
	attacher attacher
	inodes   *inodes
	log      *slog.Logger

	mu       sync.Mutex
	attached map[place]*attachment
	closing  sync.WaitGroup
	// news has one element when something has changed since it was emptied.
	news chan struct{}
}

// place is what is attached once.
type place struct {
	inode inode
	probe *probe
}

// attachment is a program at an inode.
type attachment struct {
	path  string
	maker *unit
	// content is that of the file when it was tried.
	content content
	// users with the paths that the file has for them.
	users map[*unit]string

	// ready is closed when it has been tried; the rest does not change then.
	ready chan struct{}
	done  *attached
	err   error
	// addresses of the places in every process, nil for a file that is moved to
	// where there is room for it.
	addresses []uint64
}

// works says that it is attached somewhere. It may be asked when it is ready.
func (a *attachment) works() bool { return a.done != nil && len(a.done.links) > 0 }

// failed says that it has been tried in vain.
func (a *attachment) failed() bool {
	select {
	case <-a.ready:
		return !a.works()
	default:
		return false
	}
}

// use makes a unit a user of a program's attachment to a file, and attaches it if it
// is the first. fresh is true when the unit was no user before.
func (r *registry) use(u *unit, p *probe, f *candidate) (a *attachment, fresh bool, err error) {
	ino, err := r.inodes.of(f.file)
	if err != nil {
		return nil, false, err
	}
	id, err := idOf(f.file)
	if err != nil {
		return nil, false, err
	}
	key := place{ino, p}
	r.mu.Lock()
	a, known := r.attached[key]
	// An inode that nothing is attached to may become another file.
	if known && a.failed() && a.content != id.content {
		known = false
	}
	if !known {
		a = &attachment{path: f.path, maker: u, content: id.content, users: map[*unit]string{}, ready: make(chan struct{})}
		r.attached[key] = a
	}
	_, used := a.users[u]
	fresh = !used
	a.users[u] = f.path
	r.mu.Unlock()

	if known {
		<-a.ready
	} else {
		a.err = r.attach(a, p, f)
		close(a.ready)
	}
	if fresh {
		r.tell()
	}
	return a, fresh, nil
}

func (r *registry) attach(a *attachment, p *probe, f *candidate) error {
	elf, err := f.executable()
	if err != nil {
		return err
	}
	sites, partly := p.target.sites(elf)
	if len(sites) == 0 {
		return partly
	}
	a.done, err = r.attacher.attach(p, f.file, sites)
	if elf.Fixed() {
		for _, s := range a.done.sites {
			at, _ := elf.Address(s.offset)
			a.addresses = append(a.addresses, at)
		}
		err = errors.Join(err, r.attacher.placeAll(a.done, a.addresses))
	}
	return errors.Join(partly, err)
}

// locates says whether programs must be told of the addresses that a file's probes
// have in each process.
func (r *registry) locates(a *attachment) bool {
	return a.works() && a.addresses == nil && len(a.done.arguments) > 0 && r.attacher.specs.addresses != nil
}

// locate tells programs of those addresses in one process.
func (r *registry) locate(a *attachment, m *mapping) error {
	addresses := make([]uint64, len(a.done.sites))
	for i, s := range a.done.sites {
		if s.offset >= m.offset && s.offset-m.offset < m.end-m.start {
			addresses[i] = s.offset - m.offset + m.start
		}
	}
	return r.attacher.placeAll(a.done, addresses)
}

// tell says that something has changed.
func (r *registry) tell() {
	select {
	case r.news <- struct{}{}:
	default:
	}
}

// leave ends a unit's use of everything, and detaches what nobody uses any more.
func (r *registry) leave(u *unit) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, a := range r.attached {
		r.release(u, key, a)
	}
	r.tell()
}

// places returns the files that a unit uses, with their paths.
func (r *registry) places(u *unit) map[place]string {
	r.mu.Lock()
	defer r.mu.Unlock()
	paths := map[place]string{}
	for key, a := range r.attached {
		if path, ok := a.users[u]; ok {
			paths[key] = path
		}
	}
	return paths
}

// isAt says whether a path still leads to an inode.
func (r *registry) isAt(dir *root, path string, want inode) bool {
	f, err := dir.open(path)
	if err != nil {
		return false
	}
	defer f.Close()
	got, err := r.inodes.of(f)
	return err == nil && got == want
}

// drop ends a unit's use of a file.
func (r *registry) drop(u *unit, key place) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if a := r.attached[key]; a != nil {
		r.release(u, key, a)
	}
	r.tell()
}

// release is drop for those who hold the lock.
func (r *registry) release(u *unit, key place, a *attachment) {
	if delete(a.users, u); len(a.users) == 0 {
		delete(r.attached, key)
		r.detach(key.probe, a)
	}
}

// detach detaches in the background: without multi links the kernel takes 0.1 s.
func (r *registry) detach(p *probe, a *attachment) {
	r.closing.Go(func() {
		<-a.ready
		if a.done == nil {
			return
		}
		if err := r.attacher.detach(a.done); err != nil {
			r.log.Warn("detach", "program", p.plan.Name, "file", a.path, "error", err)
		}
		r.log.Debug("detached", "program", p.plan.Name, "target", p.target.String(), "file", a.path)
	})
}

// close detaches everything.
func (r *registry) close() error {
	r.mu.Lock()
	for key, a := range r.attached {
		delete(r.attached, key)
		r.detach(key.probe, a)
	}
	r.mu.Unlock()
	return within(closeWithin, &r.closing)
}

// within waits for a group, but not for longer than that.
func within(limit time.Duration, group *sync.WaitGroup) error {
	done := make(chan struct{})
	go func() {
		group.Wait()
		close(done)
	}()
	select {
	case <-done:
		return nil
	case <-time.After(limit):
		return errors.New("the files of a container do not answer; the kernel detaches what is left")
	}
}

// count is where a program is attached.
type count struct {
	files, functions int
	units            map[*unit]bool
}

// counts says where programs are attached.
func (r *registry) counts() map[*probe]*count {
	r.mu.Lock()
	defer r.mu.Unlock()
	all := map[*probe]*count{}
	for key, a := range r.attached {
		c := all[key.probe]
		if c == nil {
			c = &count{units: map[*unit]bool{}}
			all[key.probe] = c
		}
		select {
		case <-a.ready:
		default:
			continue
		}
		if !a.works() {
			continue
		}
		c.files++
		c.functions += len(a.done.sites)
		for u := range a.users {
			c.units[u] = true
		}
	}
	return all
}

// candidate is a file that may be a target, open for reading.
type candidate struct {
	file *os.File
	// path in the container.
	path string
	elf  *executable.File
	err  error
}

// executable reads the file's headers, once.
func (c *candidate) executable() (*executable.File, error) {
	if c.elf == nil && c.err == nil {
		st, err := c.file.Stat()
		if err != nil {
			c.err = err
			return nil, err
		}
		c.elf, c.err = executable.New(c.file, st.Size())
	}
	return c.elf, c.err
}
