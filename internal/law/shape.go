package law

import (
	"go/ast"
	"slices"
	"strings"
)

// wellKnown methods say with their name what they do.
var wellKnown = []string{"Error", "Unwrap"}

// documented wants a comment on every exported name of a library.
func documented(f *File) []string {
	if f.Test() || f.Command() {
		return nil
	}
	var broken []string
	for _, d := range f.AST.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			if d.Name.IsExported() && d.Doc == nil && exportedReceiver(d) && !slices.Contains(wellKnown, d.Name.Name) {
				broken = append(broken, f.at(d, "%s has no comment", d.Name.Name))
			}
		case *ast.GenDecl:
			broken = append(broken, undocumentedSpecs(f, d)...)
		}
	}
	return broken
}

// undocumentedSpecs reports exported types, constants and variables that neither
// have a comment of their own nor stand in a commented group.
func undocumentedSpecs(f *File, d *ast.GenDecl) []string {
	var broken []string
	for _, s := range d.Specs {
		switch s := s.(type) {
		case *ast.TypeSpec:
			if s.Name.IsExported() && d.Doc == nil && s.Doc == nil {
				broken = append(broken, f.at(s, "%s has no comment", s.Name.Name))
			}
		case *ast.ValueSpec:
			for _, name := range s.Names {
				if name.IsExported() && d.Doc == nil && s.Doc == nil && s.Comment == nil {
					broken = append(broken, f.at(s, "%s has no comment", name.Name))
				}
			}
		}
	}
	return broken
}

// exportedReceiver is true for functions and for methods that a caller can reach.
func exportedReceiver(d *ast.FuncDecl) bool {
	if d.Recv == nil {
		return true
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if index, ok := t.(*ast.IndexExpr); ok {
		t = index.X
	}
	name, ok := t.(*ast.Ident)
	return ok && name.IsExported()
}

// silence keeps libraries from printing, logging to a global logger, and exiting.
func silence(f *File) []string {
	if f.Test() || f.Command() || f.Top() == "cmd" {
		return nil
	}
	var broken []string
	for _, p := range f.Imports() {
		if p == "log" {
			broken = append(broken, f.at(f.AST, "imports log: libraries take a *slog.Logger"))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok {
			return true
		}
		from, ok := sel.X.(*ast.Ident)
		if !ok {
			return true
		}
		switch name := from.Name + "." + sel.Sel.Name; {
		case strings.HasPrefix(name, "fmt.Print"), name == "os.Exit", name == "slog.Default", name == "slog.SetDefault":
			broken = append(broken, f.at(call, "%s in a library", name))
		}
		return true
	})
	return broken
}

// shape refuses what hides the order in which things happen, and interfaces that
// nobody can implement: init functions, stored contexts, large interfaces.
func shape(f *File) []string {
	var broken []string
	for _, d := range f.AST.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && fn.Name.Name == "init" && fn.Recv == nil {
			broken = append(broken, f.at(fn, "init function"))
		}
	}
	ast.Inspect(f.AST, func(n ast.Node) bool {
		switch t := n.(type) {
		case *ast.InterfaceType:
			if t.Methods.NumFields() > maxMethods {
				broken = append(broken, f.at(t, "interface of %d methods, more than %d", t.Methods.NumFields(), maxMethods))
			}
		case *ast.StructType:
			for _, field := range t.Fields.List {
				if sel, ok := field.Type.(*ast.SelectorExpr); ok && isContext(sel) && !f.Test() {
					broken = append(broken, f.at(field, "a struct stores a context"))
				}
			}
		}
		return true
	})
	return broken
}

func isContext(sel *ast.SelectorExpr) bool {
	from, ok := sel.X.(*ast.Ident)
	return ok && from.Name == "context" && sel.Sel.Name == "Context"
}

// packageDocs reports the packages of files that no file documents.
func packageDocs(files []*File) []string {
	documented := map[string]bool{}
	first := map[string]*File{}
	for _, f := range files {
		if f.Test() {
			continue
		}
		dir := f.Path[:strings.LastIndex("/"+f.Path, "/")]
		if first[dir] == nil {
			first[dir] = f
		}
		documented[dir] = documented[dir] || f.AST.Doc != nil
	}
	var broken []string
	for dir, f := range first {
		if !documented[dir] {
			broken = append(broken, f.at(f.AST, "package %s has no comment", f.AST.Name.Name))
		}
	}
	return broken
}
