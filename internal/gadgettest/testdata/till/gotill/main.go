// Command gotill sells at every SIGUSR1.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

var sold int64

//go:noinline
func sell(amount int32, customer int64) { sold += int64(amount) * customer }

func main() {
	c := make(chan os.Signal, 1)
	signal.Notify(c, syscall.SIGUSR1)
	os.Stdout.WriteString("ready\n")
	for range c {
		sell(7, 1)
	}
}
