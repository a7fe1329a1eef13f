package view

import "github.com/gadget-bpf/gadget/internal/event"

// Safe returns s as one line in which nothing can move a cursor, change a terminal
// or turn the reading direction.
func Safe(s string) string { return string(event.AppendControlSafe(nil, []byte(s))) }

// SafeText is Safe for text of several lines: line breaks and tabs stay.
func SafeText(s string) string { return event.ControlSafe(s) }
