package schema

import (
	"crypto/md5" // #nosec: Temporal's own schema tool records this digest of the manifest.
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strconv"
	"strings"

	temporalschema "go.temporal.io/server/schema"
	v12 "go.temporal.io/server/schema/postgresql/v12"
)

const sourceDirectory = "postgresql/v12/temporal"

// Version is a version of Temporal's schema, `1.19`.
type Version struct{ Major, Minor int }

// ParseVersion reads `1.19` or `v1.19`.
func ParseVersion(text string) (Version, error) {
	major, minor, found := strings.Cut(strings.TrimPrefix(text, "v"), ".")
	a, errA := strconv.Atoi(major)
	b, errB := strconv.Atoi(minor)
	if !found || errA != nil || errB != nil || a < 0 || b < 0 {
		return Version{}, fmt.Errorf("expected a schema version such as 1.19, found %q", text)
	}
	return Version{a, b}, nil
}

// String is the form of the schema_version table.
func (v Version) String() string { return fmt.Sprintf("%d.%d", v.Major, v.Minor) }

// Compare is negative where v is older than w.
func (v Version) Compare(w Version) int {
	if v.Major != w.Major {
		return v.Major - w.Major
	}
	return v.Minor - w.Minor
}

// Release is one version of Temporal's schema: what it changed in PostgreSQL, and what its manifest says.
type Release struct {
	Version     Version
	MinVersion  string // the oldest version that is compatible, as written
	Description string
	ManifestMD5 string
	Statements  []Statement
}

// Source is the PostgreSQL schema of one Temporal module.
type Source struct {
	Whole    []Statement
	Releases []Release // by version
}

// Embedded reads the schema inside the Temporal module that this program was built with.
func Embedded() (Source, error) {
	source, err := ReadSource(temporalschema.Assets(), sourceDirectory)
	if err != nil {
		return source, fmt.Errorf("the schema in the Temporal module: %w", err)
	}
	if newest := source.Newest().Version.String(); newest != v12.Version {
		return source, fmt.Errorf("the schema in the Temporal module: it says that its version is %s, its newest directory is of %s", v12.Version, newest)
	}
	return source, nil
}

// ReadSource reads schema.sql and versioned/ of a directory laid out as Temporal does.
func ReadSource(files fs.FS, directory string) (Source, error) {
	var source Source
	text, err := fs.ReadFile(files, path.Join(directory, "schema.sql"))
	if err != nil {
		return source, err
	}
	if source.Whole, err = Parse(string(text)); err != nil {
		return source, fmt.Errorf("schema.sql: %w", err)
	}
	versioned := path.Join(directory, "versioned")
	entries, err := fs.ReadDir(files, versioned)
	if err != nil {
		return source, err
	}
	for _, entry := range entries {
		if !entry.IsDir() || !strings.HasPrefix(entry.Name(), "v") {
			continue
		}
		release, err := readRelease(files, path.Join(versioned, entry.Name()))
		if err != nil {
			return source, fmt.Errorf("%s: %w", entry.Name(), err)
		}
		source.Releases = append(source.Releases, release)
	}
	slices.SortFunc(source.Releases, func(a, b Release) int { return a.Version.Compare(b.Version) })
	if len(source.Releases) == 0 {
		return source, fmt.Errorf("%s holds no version", versioned)
	}
	return source, nil
}

func readRelease(files fs.FS, directory string) (Release, error) {
	var release Release
	blob, err := fs.ReadFile(files, path.Join(directory, "manifest.json"))
	if err != nil {
		return release, err
	}
	var manifest struct {
		CurrVersion, MinCompatibleVersion, Description string
		SchemaUpdateCqlFiles                           []string
		AllowNoCqlFiles                                bool
	}
	if err := json.Unmarshal(blob, &manifest); err != nil {
		return release, fmt.Errorf("manifest.json: %w", err)
	}
	if release.Version, err = ParseVersion(manifest.CurrVersion); err != nil {
		return release, fmt.Errorf("manifest.json: %w", err)
	}
	if want := "v" + release.Version.String(); path.Base(directory) != want {
		return release, fmt.Errorf("manifest.json is of %s", want)
	}
	if len(manifest.SchemaUpdateCqlFiles) == 0 && !manifest.AllowNoCqlFiles {
		return release, fmt.Errorf("manifest.json names no file")
	}
	digest := md5.Sum(blob) // #nosec
	release.MinVersion, release.Description, release.ManifestMD5 = manifest.MinCompatibleVersion, manifest.Description, hex.EncodeToString(digest[:])
	for _, name := range manifest.SchemaUpdateCqlFiles {
		text, err := fs.ReadFile(files, path.Join(directory, name))
		if err != nil {
			return release, err
		}
		statements, err := Parse(string(text))
		if err != nil {
			return release, fmt.Errorf("%s: %w", name, err)
		}
		release.Statements = append(release.Statements, statements...)
	}
	return release, nil
}

// Newest is the version that Whole makes.
func (s Source) Newest() Release { return s.Releases[len(s.Releases)-1] }

// ShapeAt is the PostgreSQL schema as a set-up of an older version made it: the whole schema with the later releases undone.
//
// Applying the releases from the first one gives something else: a table and three defaults that schema.sql no longer has (TestReleasesAndWhole). No DSQL
// database was ever built that way.
func (s Source) ShapeAt(version Version) (Shape, error) {
	var shape Shape
	for _, statement := range s.Whole {
		if err := shape.Apply(statement); err != nil {
			return shape, err
		}
	}
	for i := len(s.Releases) - 1; i >= 0 && s.Releases[i].Version.Compare(version) > 0; i-- {
		for _, statement := range slices.Backward(s.Releases[i].Statements) {
			if err := shape.undo(statement); err != nil {
				return shape, fmt.Errorf("v%s: %w", s.Releases[i].Version, err)
			}
		}
	}
	return shape, nil
}

// rowsAt are the rows of schema.sql but for those that a later release added.
func (s Source) rowsAt(version Version) []Statement {
	later := map[string]bool{}
	for _, release := range s.Releases {
		for _, statement := range release.Statements {
			if release.Version.Compare(version) > 0 {
				later[statement.SQL(Postgres)] = true
			}
		}
	}
	var rows []Statement
	for _, statement := range s.Whole {
		if insert, ok := statement.(Insert); ok && !later[insert.SQL(Postgres)] {
			rows = append(rows, insert)
		}
	}
	return rows
}

// OldestUpdatable is the oldest version from which every later change can be made on DSQL.
func (s Source) OldestUpdatable() Version {
	oldest := s.Newest().Version
	for i := len(s.Releases) - 1; i > 0; i-- {
		before, err := s.ShapeAt(s.Releases[i-1].Version)
		if err != nil {
			return oldest
		}
		if _, err := Derive(s.Releases[i].Statements, before); err != nil {
			return oldest
		}
		oldest = s.Releases[i-1].Version
	}
	return oldest
}
