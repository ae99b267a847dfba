package main

import (
	"runtime/debug"
	"strings"
)

// bom is a software bill of materials as CycloneDX 1.5 writes it. It holds neither a
// time nor a serial number: the same build has the same one.
type bom struct {
	Format     string         `json:"bomFormat"`
	Spec       string         `json:"specVersion"`
	Version    int            `json:"version"`
	Metadata   bomMetadata    `json:"metadata"`
	Components []bomComponent `json:"components"`
}

type bomMetadata struct {
	Component bomComponent `json:"component"`
}

type bomComponent struct {
	Type       string        `json:"type"`
	Ref        string        `json:"bom-ref"`
	Name       string        `json:"name"`
	Version    string        `json:"version"`
	URL        string        `json:"purl,omitempty"`
	Properties []bomProperty `json:"properties,omitempty"`
}

type bomProperty struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// sbom lists what a binary was linked from: its modules, each with its sum as
// go.sum has it, and Go's own library.
func sbom(info *debug.BuildInfo, version string) bom {
	b := bom{Format: "CycloneDX", Spec: "1.5", Version: 1}
	b.Metadata.Component = bomComponent{Type: "application", Ref: info.Main.Path, Name: info.Main.Path, Version: version}
	for _, s := range info.Settings {
		if strings.HasPrefix(s.Key, "vcs.") {
			b.Metadata.Component.Properties = append(b.Metadata.Component.Properties, bomProperty{s.Key, s.Value})
		}
	}
	library := strings.TrimPrefix(info.GoVersion, "go")
	b.Components = []bomComponent{{Type: "library", Ref: "std", Name: "std", Version: library, URL: "pkg:golang/std@" + library}}
	for _, m := range info.Deps {
		if m.Replace != nil {
			m = m.Replace
		}
		b.Components = append(b.Components, bomComponent{
			Type: "library", Ref: m.Path, Name: m.Path, Version: m.Version, URL: "pkg:golang/" + m.Path + "@" + m.Version,
			Properties: []bomProperty{{"go.sum", m.Sum}},
		})
	}
	return b
}
