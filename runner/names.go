package runner

import (
	"os"
	"strconv"
	"strings"
	"sync/atomic"
	"time"
)

// nameRefresh is how often an unknown id may make us read the file again.
const nameRefresh = time.Second

// names knows the names of users or groups from a file in the format of
// passwd(5), whose first and third field are what it needs. It is for any number
// of goroutines and allocates only when it reads the file.
type names struct {
	file   string
	table  atomic.Pointer[map[uint32]string]
	readAt atomic.Int64
}

// lookup returns the name of an id, "" when the file has none.
func (n *names) lookup(id uint32) string {
	if t := n.table.Load(); t != nil {
		if name, ok := (*t)[id]; ok {
			return name
		}
	}
	now := time.Now().UnixNano()
	last := n.readAt.Load()
	if last != 0 && now-last < int64(nameRefresh) || !n.readAt.CompareAndSwap(last, now) {
		return ""
	}
	table := readNames(n.file)
	n.table.Store(&table)
	return table[id]
}

// readNames reads the file; one that cannot be read has no names. The first
// name of an id wins, as in getpwuid(3).
func readNames(file string) map[uint32]string {
	table := map[uint32]string{}
	content, err := os.ReadFile(file)
	if err != nil {
		return table
	}
	for line := range strings.Lines(string(content)) {
		fields := strings.SplitN(line, ":", 4)
		if len(fields) < 4 || fields[0] == "" {
			continue
		}
		id, err := strconv.ParseUint(fields[2], 10, 32)
		if err != nil {
			continue
		}
		if _, taken := table[uint32(id)]; !taken {
			table[uint32(id)] = fields[0]
		}
	}
	return table
}
