// Command hello is a small Go program to look functions up in.
package main

import "os"

//go:noinline
func greet(name string) string { return "hello " + name + "\n" }

func main() { os.Stdout.WriteString(greet("there")) }
