package aionvision

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/google/uuid"

	"github.com/failwell/failwell/sandbox/stand"
	"github.com/failwell/failwell/store"
)

// chat is a conversation.
type chat struct {
	ID       string    `json:"id"`
	Title    string    `json:"title"`
	Created  time.Time `json:"created_at"`
	Total    int       `json:"total_messages"`
	Messages []message `json:"messages"`
}

type message struct {
	ID      string    `json:"id"`
	Role    string    `json:"role"`
	Content string    `json:"content"`
	Created time.Time `json:"created_at"`
}

const (
	// maxMessages of a conversation are kept, the last ones: a record of the store
	// has room for no more of the longest.
	maxMessages = 40
	// maxMatches are named in an answer.
	maxMatches = 5
)

func (h *api) chats(r *http.Request) stand.Collection[chat] {
	return stand.Collection[chat]{Store: h.Store, Prefix: h.Prefix() + "chats/" + realm(h.Account(r)) + "/"}
}

func (h *api) findChat(r *http.Request) (chat, error) {
	id := r.PathValue("id")
	if len(id) > stand.MaxID {
		return chat{}, missing("chat", id)
	}
	c, _, err := h.chats(r).Get(r.Context(), id)
	if errors.Is(err, store.ErrAbsent) {
		return c, missing("chat", id)
	}
	return c, stand.StoreError(err)
}

func (h *api) createChat(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Title string `json:"title"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	c := chat{ID: uuid.NewString(), Title: in.Title, Created: h.now(), Messages: []message{}}
	if err := h.chats(r).Put(r.Context(), c.ID, 0, c); err != nil {
		return stand.StoreError(err)
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{"session_id": c.ID, "title": c.Title, "created_at": c.Created})
}

func (h *api) getChat(w http.ResponseWriter, r *http.Request) error {
	c, err := h.findChat(r)
	if err != nil {
		return err
	}
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"session":  map[string]any{"id": c.ID, "title": c.Title, "created_at": c.Created, "total_messages": c.Total, "is_active": true},
		"messages": c.Messages,
	})
}

// sendMessage answers with the files whose words are those of the message.
func (h *api) sendMessage(w http.ResponseWriter, r *http.Request) error {
	var in struct {
		Message string `json:"message"`
	}
	if err := stand.ReadJSON(r, &in); err != nil {
		return err
	}
	c, err := h.findChat(r)
	if err != nil {
		return err
	}
	all, err := h.stored(r.Context(), h.Account(r))
	if err != nil {
		return err
	}
	if err := h.ask(r.Context(), defaultProvider); err != nil {
		return err
	}
	now := h.now()
	asked := message{uuid.NewString(), "user", in.Message, now}
	told := message{uuid.NewString(), "assistant", match(all, in.Message), now}
	if _, err := h.chats(r).Change(r.Context(), c.ID, func(c *chat) error {
		c.Messages = append(c.Messages, asked, told)
		c.Messages = c.Messages[max(len(c.Messages)-maxMessages, 0):]
		c.Total += 2
		return nil
	}); err != nil {
		return stand.StoreError(err)
	}
	w.Header().Set("X-Sandbox-Synthetic", "true") // nobody has thought about it
	return stand.WriteJSON(w, http.StatusOK, map[string]any{
		"message_id": told.ID, "content": told.Content, "token_count": len(strings.Fields(told.Content)), "processing_time_ms": 0,
	})
}

// match lists the files in which a word of the text occurs.
func match(all []file, text string) string {
	wanted := words(text)
	var found []string
	for i := range all {
		f := &all[i]
		has := words(f.Title + " " + f.Filename + " " + f.Description + " " + strings.Join(f.Tags, " "))
		if slices.ContainsFunc(wanted, func(word string) bool { return slices.Contains(has, word) }) {
			found = append(found, f.Filename)
		}
	}
	if len(found) == 0 {
		return fmt.Sprintf("None of %d files has a word of this.", len(all))
	}
	return fmt.Sprintf("%d of %d files have a word of this, such as %s.", len(found), len(all), strings.Join(found[:min(len(found), maxMatches)], ", "))
}

// words of a text, the short ones left out: they are in every text.
func words(text string) []string {
	all := strings.FieldsFunc(strings.ToLower(text), func(c rune) bool { return !unicode.IsLetter(c) && !unicode.IsDigit(c) })
	return slices.DeleteFunc(all, func(word string) bool { return len(word) < 4 })
}
