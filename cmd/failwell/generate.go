package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"github.com/failwell/failwell/contract"
	"github.com/failwell/failwell/gen"
)

// generateCmd has a command for each target. Each has a file of its own.
type generateCmd struct {
	Dashboard  generateDashboardCmd  `cmd:"" help:"A dashboard for Grafana."`
	Docs       generateDocsCmd       `cmd:"" help:"The reference of all errors: a site, or Markdown."                      name:"docs"`
	Go         generateGoCmd         `cmd:"" help:"A Go package with the codes of a contract, which it embeds."            name:"go"`
	JSON       generateJSONCmd       `cmd:"" help:"What clients obey, as one JSON file: for clients in further languages." name:"json"`
	OpenAPI    generateOpenAPICmd    `cmd:"" help:"An OpenAPI document, or the errors put into an existing one."           name:"openapi"`
	Python     generatePythonCmd     `cmd:"" help:"A package for Python 3.10 and later, for threads and asyncio."`
	Rules      generateRulesCmd      `cmd:"" help:"Recording and alert rules for Prometheus."`
	Schema     generateSchemaCmd     `cmd:"" help:"JSON Schemas of the errors."`
	TypeScript generateTypeScriptCmd `cmd:"" help:"A package for TypeScript and JavaScript, for Node 18 and browsers."     name:"typescript"`
}

// generateTo are the flags of every target.
type generateTo struct {
	Contract string `help:"A built-in name or a file."                                    placeholder:"NAME|FILE" required:"true" short:"c"`
	Out      string `help:"The folder to write to; it is made."                           placeholder:"DIR"       required:"true" short:"o"`
	Force    bool   `help:"Replace files that somebody else wrote or changed."`
	Check    bool   `help:"Write nothing; fail when a file is missing or not up to date."`
	JSON     bool   `help:"Print JSON."`

	// keeps is a file that may be replaced because all of it is in the new one.
	keeps string
}

// generatePackage are the flags of targets that make a package.
type generatePackage struct {
	Package        string `help:"What the package is called (the contract's api)." placeholder:"NAME"`
	PackageVersion string `help:"Its version (0.1.0)."                             placeholder:"VERSION"`
}

func (x *generatePackage) options() gen.Options {
	return gen.Options{Package: x.Package, Version: x.PackageVersion}
}

// writes makes the files of a target and brings the folder up to date.
func (x *generateTo) writes(c *console, target func(*contract.Contract) ([]gen.File, error)) error {
	spec, err := loadContract(x.Contract)
	if err != nil {
		return err
	}
	files, err := target(spec)
	if err != nil {
		return fmt.Errorf("generating from %s: %w", x.Contract, err)
	}
	done, err := x.bring(files)
	if err != nil {
		return err
	}
	if x.JSON {
		if err := c.json(done); err != nil {
			return err
		}
	} else {
		for _, name := range done.Written {
			if err := c.printf("%s\n", filepath.Join(x.Out, filepath.FromSlash(name))); err != nil {
				return err
			}
		}
		outcome := "written"
		if x.Check {
			outcome = "not up to date"
		}
		c.notef("files made: %d, %s: %d", len(files), outcome, len(done.Written))
		for _, name := range done.Stale {
			c.notef("no longer made: %s; remove it when nothing uses it", filepath.Join(x.Out, filepath.FromSlash(name)))
		}
	}
	if x.Check && len(done.Written) > 0 {
		return hinted(errors.New("the generated files are not up to date"), "run the same command without --check")
	}
	return nil
}

// generated tells what was done.
type generated struct {
	// Written are the files that are new or changed, or would be.
	Written []string `json:"written"`
	// Stale are files of an earlier run that are not made any more.
	Stale []string `json:"no_longer_made"`
}

// manifestName is the file that tells generated files from others. It belongs
// to them: it is kept where they are kept.
const manifestName = ".failwell.json"

// manifest maps files that were made to the hash they were written with.
type manifest struct {
	About string            `json:"about"`
	Files map[string]string `json:"files"`
}

// bring writes what differs, and only if nothing of somebody else's is lost by that.
func (x *generateTo) bring(files []gen.File) (generated, error) {
	done := generated{Written: []string{}, Stale: []string{}}
	known, err := x.manifest()
	if err != nil {
		return done, err
	}
	var changed []gen.File
	var foreign []error
	made := map[string]bool{}
	for _, f := range files {
		made[f.Name] = true
		old, err := os.ReadFile(x.path(f.Name))
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return done, hinted(fmt.Errorf("reading what is there: %w", err), "check the folder and its permissions")
		case bytes.Equal(old, f.Data):
			known.Files[f.Name] = hashOf(f.Data)
			continue
		case known.Files[f.Name] != hashOf(old) && !x.Force && !same(x.path(f.Name), x.keeps):
			foreign = append(foreign, fmt.Errorf("%s was not written by this command, or was changed since", x.path(f.Name)))
		}
		changed = append(changed, f)
		done.Written = append(done.Written, f.Name)
	}
	if foreign != nil && !x.Check {
		return done, hinted(errors.Join(foreign...), "choose another folder with --out, or replace them with --force")
	}
	for name := range maps.Keys(known.Files) {
		if _, err := os.Stat(x.path(name)); err != nil {
			delete(known.Files, name)
		} else if !made[name] && sameTarget(files, name) {
			done.Stale = append(done.Stale, name)
		}
	}
	slices.Sort(done.Stale)
	if x.Check {
		return done, nil
	}
	return done, x.write(changed, known)
}

func (x *generateTo) write(changed []gen.File, known manifest) error {
	for _, f := range changed {
		if err := writeFile(x.path(f.Name), f.Data); err != nil {
			return err
		}
		known.Files[f.Name] = hashOf(f.Data)
	}
	text, err := json.MarshalIndent(known, "", "  ")
	if err != nil {
		return fmt.Errorf("writing %s: %w", manifestName, err)
	}
	text = append(text, '\n')
	if old, err := os.ReadFile(x.path(manifestName)); err == nil && bytes.Equal(old, text) {
		return nil
	}
	return writeFile(x.path(manifestName), text)
}

// same: two paths lead to one file.
func same(a, b string) bool {
	x, err := os.Stat(a)
	y, err2 := os.Stat(b)
	return err == nil && err2 == nil && os.SameFile(x, y)
}

func (x *generateTo) path(name string) string { return filepath.Join(x.Out, filepath.FromSlash(name)) }

func (x *generateTo) manifest() (manifest, error) {
	m := manifest{About: "Files that failwell generate has written, so that it does not replace others. Keep it with them."}
	text, err := os.ReadFile(x.path(manifestName))
	if err == nil {
		err = json.Unmarshal(text, &m)
	}
	if m.Files == nil {
		m.Files = map[string]string{}
	}
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return m, hinted(fmt.Errorf("%s: %w", x.path(manifestName), err), "remove it, and use --force once")
	}
	return m, nil
}

// sameTarget reports whether a file may be of the target that made files: several
// targets can share a folder.
func sameTarget(files []gen.File, name string) bool {
	return slices.ContainsFunc(files, func(f gen.File) bool {
		return filepath.Ext(f.Name) == filepath.Ext(name) && filepath.Dir(f.Name) == filepath.Dir(name)
	})
}

func hashOf(data []byte) string {
	sum := sha256.Sum256(data)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func writeFile(name string, data []byte) error {
	err := os.MkdirAll(filepath.Dir(name), 0o755) //nolint:gosec // sources are no secret
	if err == nil {
		err = os.WriteFile(name, data, 0o644) //nolint:gosec // sources are no secret
	}
	if err != nil {
		return hinted(fmt.Errorf("writing: %w", err), "check the folder and its permissions")
	}
	return nil
}
