package engine

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// write makes a file below a directory.
func write(t *testing.T, dir, file, text string) {
	t.Helper()
	path := filepath.Join(dir, file)
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// What podman 4.3 and CRI-O keep of a container. CRI-O's are the annotations of its
// pkg/annotations, and kubelet's labels.
func TestStorage(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "storage/overlay-containers")
	write(t, dir, "containers.json", `[
		{"id":"`+hex+`","names":["web"],"image":"abc","metadata":"{\"image-name\":\"localhost/tiny:latest\",\"image-id\":\"abc\",\"name\":\"web\",\"created-at\":1}"},
		{"id":"bare","names":["other-tool"],"metadata":""}]`)
	write(t, dir, "volatile-containers.json", `[
		{"id":"pod","names":["k8s_POD_cart_shop_u-1_0"],"metadata":"{\"pod-name\":\"k8s_POD\",\"name\":\"cart\"}"},
		{"id":"`+other+`","names":["k8s_web_cart_shop_u-1_0"],"metadata":"{\"name\":\"k8s_web_cart_shop_u-1_0\",\"image-name\":\"nginx\"}"}]`)
	write(t, dir, other+"/userdata/config.json", `{"annotations":{
		"io.container.manager":"cri-o","io.kubernetes.cri-o.ContainerType":"container",
		"io.kubernetes.container.name":"web","io.kubernetes.pod.name":"cart","io.kubernetes.pod.namespace":"shop","io.kubernetes.pod.uid":"u-1",
		"io.kubernetes.cri-o.ImageName":"docker.io/library/nginx:1","io.kubernetes.cri-o.ImageRef":"docker.io/library/nginx@sha256:abc",
		"io.kubernetes.cri-o.Labels":"{\"tier\":\"front\"}"}}`)
	write(t, dir, "pod/userdata/config.json", `{"annotations":{
		"io.container.manager":"cri-o","io.kubernetes.cri-o.ContainerType":"sandbox",
		"io.kubernetes.cri-o.Labels":"{\"app\":\"shop\",\"io.kubernetes.pod.name\":\"cart\",\"io.kubernetes.pod.namespace\":\"shop\",\"io.kubernetes.container.name\":\"POD\"}"}}`)
	refs := []Ref{
		{ID: hex, Bundle: filepath.Join(dir, hex, "userdata")}, {ID: other, Bundle: filepath.Join(dir, other, "userdata")},
		{ID: "pod", Bundle: filepath.Join(dir, "pod/userdata")}, {ID: "bare"}, {ID: "gone"},
	}
	found, err := (&storage{dir: dir}).Lookup(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	want := map[Ref]Info{
		refs[0]: {Runtime: "podman", Name: "web", Image: "localhost/tiny:latest", ImageDigest: "sha256:abc"},
		refs[1]: {
			Runtime: "cri-o", Name: "web", Image: "docker.io/library/nginx:1", ImageDigest: "sha256:abc",
			Namespace: "shop", Pod: "cart", PodUID: "u-1", PodContainer: "web", Labels: map[string]string{"tier": "front"},
		},
		refs[2]: {
			Runtime: "cri-o", Name: "cart", Namespace: "shop", Pod: "cart", PodLabels: map[string]string{"app": "shop"},
			Labels: map[string]string{"app": "shop", "io.kubernetes.pod.name": "cart", "io.kubernetes.pod.namespace": "shop", "io.kubernetes.container.name": "POD"},
		},
		refs[3]: {Runtime: "podman", Name: "other-tool"},
	}
	if diff := cmp.Diff(want, found); diff != "" {
		t.Error(diff)
	}
}

// A container whose bundle nobody knows any more is looked for where others were.
func TestStorageElsewhere(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "containers.json", `[{"id":"`+hex+`","names":["web"]},{"id":"late","names":["job"]}]`)
	s := &storage{dir: t.TempDir()}
	late := Ref{ID: "late"}
	for i, refs := range [][]Ref{{late}, {{ID: hex, Bundle: filepath.Join(dir, hex, "userdata")}}, {late}} {
		found, err := s.Lookup(t.Context(), refs)
		if err != nil || (len(found) == 1) != (i > 0) {
			t.Errorf("look %d: %v %v", i, found, err)
		}
	}
}

func TestBadStorage(t *testing.T) {
	tests := []struct {
		name, want string
		make       func(dir string)
	}{
		{"garbage", "not a list of containers", func(dir string) { write(t, dir, "containers.json", "{") }},
		{"10 MB", "larger than 8192 kB", func(dir string) { write(t, dir, "containers.json", strings.Repeat(" ", 10<<20)) }},
		{"a pipe", "not a regular file", func(dir string) {
			if err := unix.Mkfifo(filepath.Join(dir, "containers.json"), 0o600); err != nil {
				t.Fatal(err)
			}
		}},
		{"nothing", "", func(string) {}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			dir := t.TempDir()
			tt.make(dir)
			_, err := (&storage{dir: dir}).Lookup(t.Context(), []Ref{{ID: hex}})
			if (err == nil) != (tt.want == "") || err != nil && !strings.Contains(err.Error(), tt.want) {
				t.Errorf("got %v, want something with %q", err, tt.want)
			}
		})
	}
}

func TestFind(t *testing.T) {
	root := t.TempDir()
	for _, socket := range []string{
		"run/docker.sock", "run/user/1000/docker.sock", "run/k3s/containerd/containerd.sock",
		"var/snap/microk8s/common/run/containerd.sock", "run/user/1000/podman/podman.sock",
	} {
		path := filepath.Join(root, socket)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		fd, err := unix.Socket(unix.AF_UNIX, unix.SOCK_STREAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := unix.Bind(fd, &unix.SockaddrUnix{Name: path}); err != nil {
			t.Skip(err) // The path of a temporary directory may be too long for a socket.
		}
		unix.Close(fd)
	}
	write(t, root, "run/crio/crio.sock", "this is no socket")
	tests := []struct {
		name    string
		options Options
		want    string
		err     string
	}{
		{"usual places", Options{}, "docker /run/docker.sock, docker /run/user/1000/docker.sock, containerd /run/k3s/containerd/containerd.sock, containerd /var/snap/microk8s/common/run/containerd.sock, podman /run/user/1000/podman/podman.sock, podman files", ""},
		{"given", Options{Docker: "unix:///a/b", CRIO: "/c/d"}, "docker /a/b, containerd /run/k3s/containerd/containerd.sock, containerd /var/snap/microk8s/common/run/containerd.sock, cri-o /c/d, podman /run/user/1000/podman/podman.sock, podman files", ""},
		{"chosen", Options{Wanted: func(r string) bool { return r == "docker" }}, "docker /run/docker.sock, docker /run/user/1000/docker.sock", ""},
		{"expected", Options{Wanted: func(r string) bool { return r == "cri-o" }, Expected: []string{"cri-o"}}, "podman files", "cri-o is not here: there is no socket at /run/crio/crio.sock"},
		{"elsewhere", Options{Wanted: func(r string) bool { return r == "docker" }, Docker: "tcp://10.0.0.1:2375"}, "", `docker at "tcp://10.0.0.1:2375" is not supported`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			tt.options.Root = root
			sources, err := Find(tt.options)
			var got []string
			for _, s := range sources {
				got = append(got, s.Runtime+" "+strings.TrimPrefix(s.Address, root))
			}
			if text := strings.Join(got, ", "); text != tt.want {
				t.Errorf("found %s\nwant  %s", text, tt.want)
			}
			if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
				t.Errorf("error is %v, want something with %q", err, tt.err)
			}
		})
	}
}

func FuzzState(f *testing.F) {
	f.Add("state.json", []byte(`{"init_process_pid":1,"config":{"labels":["bundle=/a/b-containers/c/userdata"]}}`))
	f.Add("status", []byte(`{"pid":1,"bundle":"/run/io.containerd.runtime.v2.task/moby/x"}`))
	f.Fuzz(func(t *testing.T, name string, text []byte) {
		s := decodeState(name, text)
		s.belong()
	})
}

func FuzzParseCommand(f *testing.F) {
	f.Add("runc\x00--root\x00/r\x00create\x00--bundle\x00/b\x00box")
	f.Fuzz(func(t *testing.T, line string) {
		if s, ok := ParseCommand(strings.Split(line, "\x00")); ok && !ValidID(s.ID) {
			t.Errorf("id is %q", s.ID)
		}
	})
}
