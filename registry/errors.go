package registry

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"syscall"

	"github.com/opencontainers/go-digest"
)

// ErrNotFound is what errors.Is finds in every *NotFoundError.
var ErrNotFound = errors.New("not found")

// NotFoundError says that a Source has no image of a name.
type NotFoundError struct {
	// Name as it was asked for, Reference what it stands for; the zero Reference
	// when it can only be an id.
	Name      string
	Reference Reference
	// Where it was looked for, such as "store /var/lib/gadget".
	Where string
}

// Error names the image, the place, and the full name when that differs.
func (e *NotFoundError) Error() string {
	s := fmt.Sprintf("image %q not found in %s", e.Name, e.Where)
	if full := e.Reference.String(); full != "" && full != e.Name {
		s += fmt.Sprintf(" (looked for %s)", full)
	}
	return s
}

// Is makes errors.Is(err, ErrNotFound) true.
func (e *NotFoundError) Is(target error) bool { return target == ErrNotFound }

// AmbiguousError says that the beginning of a digest fits several images.
type AmbiguousError struct {
	Name    string
	Digests []digest.Digest
}

// Error lists what the name could mean.
func (e *AmbiguousError) Error() string {
	ids := make([]string, len(e.Digests))
	for i, d := range e.Digests {
		ids[i] = d.Encoded()[:16]
	}
	return fmt.Sprintf("image %q is ambiguous: %s begin with it", e.Name, strings.Join(ids, ", "))
}

// NotGadgetError says that a name is that of something else than a gadget image.
type NotGadgetError struct {
	Digest digest.Digest
	// What it is, such as "a container image".
	What string
}

// Error says what it is instead.
func (e *NotGadgetError) Error() string {
	return fmt.Sprintf("not a gadget image: %s is %s", short(e.Digest), e.What)
}

// PlatformError says that an image is not made for a machine type.
type PlatformError struct {
	// Arch that was asked for and those that the image has, in Go's words.
	Arch string
	Have []string
}

// Error lists what the image has.
func (e *PlatformError) Error() string {
	if len(e.Have) == 0 {
		return "the image has no platform at all"
	}
	return fmt.Sprintf("the image is not made for %s, only for %s", e.Arch, strings.Join(e.Have, ", "))
}

// DamagedError says that a blob of an image is missing or not what its digest
// promises.
type DamagedError struct {
	Digest digest.Digest
	// Why is what was found.
	Why string
}

// Error says what is wrong with the blob and what to do.
func (e *DamagedError) Error() string {
	return fmt.Sprintf("blob %s is damaged: %s (remove the image, then build or pull it again)", short(e.Digest), e.Why)
}

// short cuts a digest to what people compare by eye.
func short(d digest.Digest) string {
	if d.Validate() != nil {
		return string(d)
	}
	return d.Algorithm().String() + ":" + d.Encoded()[:12]
}

// storeError says what keeps a store from being written, and what to do.
// It is nil for nil.
func storeError(dir, action string, err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		return fmt.Errorf("%s: store %s: the disk is full, nothing was changed (free some space, for example with \"gadget image remove\"): %w", action, dir, err)
	case errors.Is(err, errForeign):
		return fmt.Errorf("%s: store %s is read, but never written to: %w (use another one with GADGET_STORE, and \"gadget image copy oci:%s:NAME store:NAME\" to get an image into it)", action, dir, err, dir)
	case errors.Is(err, syscall.EROFS):
		return fmt.Errorf("%s: store %s is on a read-only file system: %w", action, dir, err)
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%s: store %s may not be written by user %d (use another one with GADGET_STORE): %w", action, dir, os.Getuid(), err)
	}
	return fmt.Errorf("%s: %w", action, err)
}
