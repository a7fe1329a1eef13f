package event

import (
	"encoding/binary"
	"math"
	"slices"
	"strings"
	"testing"
)

func TestParseOrder(t *testing.T) {
	l := &Layout{Name: "rows", Array: true, Size: 32, Fields: []Field{
		{Name: "id", Kind: Uint8, Offset: 0, Size: 1},
		{Name: "signed", Kind: Int32, Offset: 4, Size: 4},
		{Name: "ratio", Kind: Float64, Offset: 8, Size: 8},
		{Name: "size", Kind: HumanSize, Offset: 16, Size: 8},
		{Name: "name", Kind: CString, Offset: 24, Size: 4},
		{Name: "list", Kind: Uint8, Offset: 28, Size: 4, Count: 4},
	}}
	row := func(id byte, signed int32, ratio float64, size uint64, name string) Record {
		raw := make([]byte, 32)
		raw[0] = id
		binary.NativeEndian.PutUint32(raw[4:], uint32(signed))
		binary.NativeEndian.PutUint64(raw[8:], math.Float64bits(ratio))
		binary.NativeEndian.PutUint64(raw[16:], size)
		copy(raw[24:28], name)
		return Record{Raw: raw}
	}
	rows := []Record{
		row(1, -5, 0.5, 2000, "b"),
		row(2, 3, -1, 10_000, "a"),
		row(3, -5, 2, 900, "c"),
	}
	tests := []struct{ order, want, wantErr string }{
		{order: "", want: "123"},
		{order: "signed", want: "132"},
		{order: "signed,-id", want: "312"},
		{order: "-ratio", want: "312"},
		{order: "size", want: "312"},
		{order: " name , id", want: "213"},
		{order: "nmae", wantErr: `"name"`},
		{order: "list", wantErr: "it is an array"},
	}
	for _, tt := range tests {
		t.Run(tt.order, func(t *testing.T) {
			compare, err := ParseOrder(l, &Env{}, tt.order)
			if tt.wantErr != "" {
				if err == nil || !strings.Contains(err.Error(), tt.wantErr) {
					t.Errorf("error %v, want %s", err, tt.wantErr)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			sorted := slices.Clone(rows)
			if compare != nil {
				slices.SortStableFunc(sorted, func(a, b Record) int { return compare(&a, &b) })
			}
			got := ""
			for _, r := range sorted {
				got += string('0' + r.Raw[0])
			}
			if got != tt.want {
				t.Errorf("order %s, want %s", got, tt.want)
			}
		})
	}
}
