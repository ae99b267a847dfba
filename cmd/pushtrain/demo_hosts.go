package main

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
)

// demoHosts serves /HOST/… through the host's current, and / with all hosts side
// by side. The link is resolved once a request, so that a request sees one
// release whole.
func demoHosts(root string) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /{$}", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/html; charset=utf-8")
		page := "<!doctype html><title>Four hosts</title><meta http-equiv=refresh content=2>\n"
		for _, host := range demoHostNames {
			page += fmt.Sprintf("<h2><a href=%s/>%[1]s</a></h2><iframe src=%[1]s/ width=100%% height=220></iframe>\n", host)
		}
		_, _ = io.WriteString(w, page) // a browser that has gone needs no page
	})
	mux.HandleFunc("GET /{host}/{path...}", func(w http.ResponseWriter, r *http.Request) {
		hosts, err := os.OpenRoot(root)
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer hosts.Close()
		host := r.PathValue("host")
		side, err := hosts.Readlink(filepath.Join(host, "current"))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		tree, err := hosts.OpenRoot(filepath.Join(host, side))
		if err != nil {
			http.NotFound(w, r)
			return
		}
		defer tree.Close()
		w.Header().Set("Cache-Control", "no-store")
		http.StripPrefix("/"+host, http.FileServerFS(tree.FS())).ServeHTTP(w, r)
	})
	return mux
}
