package gadgets_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// mountAll mounts and unmounts on a thread with mounts of its own, which it takes
// along when it ends, and returns how long that took.
func mountAll(t *testing.T, dir string) time.Duration {
	t.Helper()
	done := make(chan struct{})
	start := time.Now()
	go func() {
		defer close(done)
		runtime.LockOSThread() // never undone: the thread ends with its function
		check := func(what string, err, want error) {
			if !errors.Is(err, want) {
				t.Errorf("%s: %v, want %v", what, err, want)
			}
		}
		check("unshare", unix.Unshare(unix.CLONE_FS|unix.CLONE_NEWNS), nil)
		check("private", unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""), nil)
		if t.Failed() {
			return
		}
		fs, bound := filepath.Join(dir, "fs"), filepath.Join(dir, "bound")
		check("tmpfs", unix.Mount("scratch", fs, "tmpfs", unix.MS_NOSUID|unix.MS_NODEV|0xc0ed0000, "size=64k,mode=700"), nil)
		check("bind", unix.Mount(fs, bound, "", unix.MS_BIND, ""), nil)
		check("unknown", unix.Mount("none", fs, "nosuchfs", 0, ""), unix.ENODEV)
		check("umount", unix.Unmount(bound, unix.MNT_DETACH|unix.UMOUNT_NOFOLLOW), nil)
		check("umount again", unix.Unmount(bound, 0), unix.EINVAL)

		ctx, err := unix.Fsopen("tmpfs", 0)
		check("fsopen", err, nil)
		check("source", unix.FsconfigSetString(ctx, "source", "modern"), nil)
		check("size", unix.FsconfigSetString(ctx, "size", "64k"), nil)
		check("create", unix.FsconfigCreate(ctx), nil)
		check("create again", unix.FsconfigCreate(ctx), unix.EBUSY)
		mount, err := unix.Fsmount(ctx, 0, 0)
		check("fsmount", err, nil)
		check("move", unix.MoveMount(mount, "", unix.AT_FDCWD, bound, unix.MOVE_MOUNT_F_EMPTY_PATH), nil)
		unix.Close(mount)
		unix.Close(ctx)
		tree, err := unix.OpenTree(unix.AT_FDCWD, bound, unix.OPEN_TREE_CLONE)
		check("open tree", err, nil)
		unix.Close(tree)
		plain, err := unix.OpenTree(unix.AT_FDCWD, bound, 0) // mounts nothing
		check("open", err, nil)
		unix.Close(plain)
	}()
	<-done
	return time.Since(start)
}

func TestTraceMount(t *testing.T) {
	dir := t.TempDir()
	fs, bound := filepath.Join(dir, "fs"), filepath.Join(dir, "bound")
	for _, d := range []string{fs, bound} {
		if err := os.Mkdir(d, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	event := func(op, src, dest, fs, flags, umountFlags, data, errorName string) map[string]any {
		return map[string]any{
			"op": op, "src": src, "dest": dest, "fs": fs, "flags": flags, "umount_flags": umountFlags, "data": data,
			"error": errorName, "proc.pid": float64(os.Getpid()),
		}
	}
	all := []map[string]any{
		event("mount", "", "/", "", "MS_REC|MS_PRIVATE", "", "", ""),
		event("mount", "scratch", fs, "tmpfs", "MS_NOSUID|MS_NODEV", "", "size=64k,mode=700", ""),
		event("mount", fs, bound, "", "MS_BIND", "", "", ""),
		event("mount", "none", fs, "nosuchfs", "", "", "", "ENODEV"),
		event("umount", "", bound, "", "", "MNT_DETACH|UMOUNT_NOFOLLOW", "", ""),
		event("umount", "", bound, "", "", "", "", "EINVAL"),
		event("fsopen", "", "", "tmpfs", "", "", "", ""),
		event("fsconfig", "modern", "", "", "", "", "", ""),
		event("fsconfig", "", "", "", "", "", "", ""),
		event("fsconfig", "", "", "", "", "", "", "EBUSY"),
		event("move_mount", "", bound, "", "", "", "", ""),
		event("open_tree", bound, "", "", "", "", "", ""),
	}
	tests := []struct {
		name   string
		params map[string]string
		want   []map[string]any
	}{
		{"all", nil, all},
		{"failed", map[string]string{"failed": "true"}, []map[string]any{all[3], all[5], all[9]}},
		{"another process", map[string]string{"pid": "1"}, nil},
	}
	names := []string{"op", "src", "dest", "fs", "flags", "umount_flags", "data", "error", "proc.pid"}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var took time.Duration
			var got []map[string]any
			for _, e := range trace(t, "trace_mount", "", tt.params, func() { took = mountAll(t, dir) }) {
				picked := pick(e, names...)
				if picked["proc.pid"] != float64(os.Getpid()) {
					continue
				}
				if latency := time.Duration(e["latency_raw"].(float64)); latency <= 0 || latency >= took {
					t.Errorf("%v took %v, all together took %v", e["op"], latency, took)
				}
				got = append(got, picked)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}
