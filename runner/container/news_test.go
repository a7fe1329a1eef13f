package container

import (
	"slices"
	"testing"
)

// told returns what has happened since the last call, sorted.
func (s *scene) told(quiet bool) []string {
	var all []string
	s.news(func(e Event) { all = append(all, e.Kind.String()+" "+e.Container.Name) }, quiet)
	slices.Sort(all)
	return all
}

func (s *scene) tells(want ...string) {
	s.t.Helper()
	if got := s.told(false); !slices.Equal(got, want) {
		s.t.Errorf("told of %q, want %q", got, want)
	}
}

// empty is what two sweeps find when nothing lives any more; one may miss something.
func (s *scene) empty() {
	for range 2 {
		s.now += ms
		s.alive()
	}
}

func TestNewsOfAContainer(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.tells("PRECREATE " + hex[:12])
	s.tells()
	s.named(hex, "web")
	s.tells("CREATED web")
	s.named(hex, "web")
	s.tells()
	s.empty()
	s.tells("DELETED web")
	s.empty()
	s.tells()
}

// What exists at the start has no name to wait for its begin.
func TestNewsAtTheStart(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.process(11, "/machine.slice/libpod-"+other+".scope") // nobody is asked about it
	s.born(8, 2, 11)
	if got := s.told(true); !slices.Equal(got, []string{"CREATED " + other[:12]}) {
		t.Errorf("told of %q", got)
	}
	s.named(hex, "web")
	s.tells("CREATED web")
}

// A container that is gone before its name is known has a begin and an end.
func TestNewsOfAShortLife(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.empty()
	s.tells()
	s.named(hex, "web")
	s.tells("CREATED web", "DELETED web")
}

// One that is started again under its id ends before it begins.
func TestNewsOfARestart(t *testing.T) {
	s := newScene(t, policy{})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.named(hex, "web")
	s.tells("CREATED web")
	s.empty()
	s.process(11, "/docker/"+hex)
	s.born(8, 2, 11)
	s.tells("DELETED web", "PRECREATE web")
	s.named(hex, "web")
	s.tells("CREATED web")
}

// A selector that needs names has nothing to tell before there are some.
func TestNewsOfTheSelected(t *testing.T) {
	s := newScene(t, policy{selector: Selector{Name: Patterns{"web"}}})
	s.process(10, "/docker/"+hex)
	s.born(7, 1, 10)
	s.process(11, "/docker/"+other)
	s.born(8, 2, 11)
	s.tells()
	s.named(hex, "web")
	s.named(other, "db")
	s.tells("CREATED web")
	s.empty()
	s.tells("DELETED web")
}
