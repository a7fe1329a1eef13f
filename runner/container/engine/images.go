package engine

import "sync"

// imageNames are how people and registries call an image.
type imageNames struct{ name, digest string }

// images remembers the names of images by how an engine refers to them. The zero
// value is ready.
type images struct {
	mu    sync.Mutex
	known map[string]imageNames
}

// maxImages bounds the memory of images.
const maxImages = 1024

// of returns the names of an image, "" for one that nobody has named. It asks until
// there is an answer.
func (i *images) of(image string, ask func() (imageNames, error)) imageNames {
	if image == "" {
		return imageNames{}
	}
	i.mu.Lock()
	names, ok := i.known[image]
	i.mu.Unlock()
	if ok {
		return names
	}
	names, err := ask()
	if err != nil {
		return names
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.known == nil || len(i.known) >= maxImages {
		i.known = map[string]imageNames{}
	}
	i.known[image] = names
	return names
}
