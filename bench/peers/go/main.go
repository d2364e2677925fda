// The service as it is written in Go: net/http and github.com/skip2/go-qrcode.
package main

import (
	"encoding/base64"
	"encoding/json"
	"log"
	"net/http"
	"os"

	qrcode "github.com/skip2/go-qrcode"
)

// Pixels a module; a negative size is what go-qrcode calls it. Its quiet zone is always 4 modules.
const scale = -4

type reply struct {
	Result string `json:"result"`
}

func answer(w http.ResponseWriter, r *http.Request) {
	text := r.URL.Query().Get("text")
	if text == "" {
		text = "QR TEST"
	}
	code, err := qrcode.New(text, qrcode.Medium)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	picture, err := code.PNG(scale)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	url := "data:image/png;base64," + base64.StdEncoding.EncodeToString(picture)
	if err := json.NewEncoder(w).Encode(reply{url}); err != nil {
		log.Print(err)
	}
}

func main() {
	http.HandleFunc("/", answer)
	log.Fatal(http.ListenAndServe("127.0.0.1:"+os.Getenv("PORT"), nil))
}
