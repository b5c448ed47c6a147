#include "watch/plain.h"

#include <string.h>
#include <time.h>

#include "base/mem.h"
#include "watch/page.h"
#include "watch/text.h"

void plain_release(struct plain *p)
{
    str_release(&p->places);
    str_release(&p->doing);
}

static void add_place(const struct board_place *p, struct str *out)
{
    str_addf(out, "%s has changed %s%s%s too, not synced.\n", p->who, p->path,
             *p->lines ? " line " : "", p->lines);
}

void plain_summary(const struct board *b, int64_t now, struct str *out)
{
    cleanup_str struct str join = STR_INIT;
    cleanup_str struct str ssh = STR_INIT;
    page_join_line(b, &join);
    page_ssh_line(b, &ssh);
    str_addf(out, "Session: %s, %s\nRepository: %s\nBranch: %s\nJoin: %s\nSsh: %s\n", b->session_id,
             b->mode, b->repo, b->branch, join.p, ssh.p);
    if (b->expires_at) {
        str_adds(out, "Time left: ");
        text_add_span(out, b->expires_at - now);
        str_addc(out, '\n');
    }
    str_adds(out, "People:\n");
    for (size_t i = 0; i < b->n_people; i++) {
        str_addf(out, "  %s%s: ", b->people[i].login, b->people[i].self ? " (you)" : "");
        board_describe_person(&b->people[i], now, out);
        str_addc(out, '\n');
    }
    str_adds(out, b->n_files ? "Your changes, not synced:\n" : "Your changes, not synced: none\n");
    for (size_t i = 0; i < b->n_files; i++)
        str_addf(out, "  %c %s %s\n", b->files[i].change, b->files[i].path, b->files[i].lines);
    for (size_t i = 0; i < b->n_places; i++) {
        str_adds(out, "Warning: ");
        add_place(&b->places[i], out);
    }
    str_adds(out, "Activity:\n");
}

static void add_entry(const struct board_entry *e, struct str *out)
{
    time_t at = (time_t)e->at;
    struct tm tm;
    char when[16] = "";
    if (localtime_r(&at, &tm))
        (void)strftime(when, sizeof when, "%H:%M", &tm);
    str_addf(out, "%s %s %s\n", when, e->who, e->text);
}

/* The text is new when it is not what was said last time. */
static bool is_news(struct str *last, const struct str *now)
{
    if (strcmp(last->p, now->p) == 0)
        return false;
    str_clear(last);
    str_add(last, now->p, now->len);
    return true;
}

static void add_end(int64_t at, struct str *out)
{
    time_t when = (time_t)at;
    struct tm tm;
    char text[64] = "";
    if (localtime_r(&when, &tm))
        (void)strftime(text, sizeof text, "%Y-%m-%d %H:%M", &tm);
    str_addf(out, "The session ends %s now.\n", text);
}

void plain_news(struct plain *p, const struct board *b, bool silent, struct str *out)
{
    cleanup_str struct str places = STR_INIT;
    cleanup_str struct str doing = STR_INIT;
    size_t n = b->n_ever > p->entries ? b->n_ever - p->entries : 0;
    n = n < b->n_entries ? n : b->n_entries;
    for (size_t i = b->n_entries - n; !silent && i < b->n_entries; i++)
        add_entry(&b->entries[i], out);
    p->entries = b->n_ever;
    for (size_t i = 0; i < b->n_places; i++)
        add_place(&b->places[i], &places);
    if (is_news(&p->places, &places) && !silent) {
        if (places.len)
            str_addf(out, "Warning: %s", places.p);
        else
            str_adds(out, "Nobody has changed the same lines any more.\n");
    }
    for (size_t i = 0; i < b->n_people; i++)
        if (b->people[i].connected && !b->people[i].self && *b->people[i].editing)
            str_addf(&doing, "%s is editing %s\n", b->people[i].login, b->people[i].editing);
    if (is_news(&p->doing, &doing) && !silent)
        str_add(out, doing.p, doing.len);
    if (p->expires_at && b->expires_at != p->expires_at && !silent)
        add_end(b->expires_at, out);
    p->expires_at = b->expires_at;
}

/* --- JSON --------------------------------------------------------------------------------------
 */

static struct json_object *people_json(const struct board *b)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < b->n_people; i++) {
        const struct board_person *p = &b->people[i];
        struct json_object *o = json_object_new_object();
        json_add_str(o, "login", p->login);
        json_add_str(o, "provider", p->provider);
        json_add_bool(o, "connected", p->connected);
        if (p->connected)
            json_add_i64(o, "since", p->since);
        if (p->typed_at)
            json_add_i64(o, "typed_at", p->typed_at);
        if (*p->editing) {
            json_add_str(o, "editing", p->editing);
            json_add_i64(o, "edited_at", p->edited_at);
        }
        if (p->unsynced >= 0)
            json_add_i64(o, "unsynced", p->unsynced);
        json_object_array_add(list, o);
    }
    return list;
}

static struct json_object *activity_json(const struct board *b)
{
    struct json_object *list = json_object_new_array();
    for (size_t i = 0; i < b->n_entries; i++) {
        struct json_object *o = json_object_new_object();
        json_add_i64(o, "at", b->entries[i].at);
        json_add_str(o, "user", b->entries[i].who);
        json_add_str(o, "text", b->entries[i].text);
        json_object_array_add(list, o);
    }
    return list;
}

struct json_object *plain_json(const struct board *b)
{
    struct json_object *o = json_object_new_object();
    struct json_object *files = json_object_new_array();
    struct json_object *places = json_object_new_array();
    json_add_str(o, "session_id", b->session_id);
    json_add_str(o, "mode", b->mode);
    json_add_str(o, "repo_url", b->repo);
    json_add_str(o, "branch", b->branch);
    json_add_str(o, "magic_link", b->link);
    json_add_str(o, "ssh_url", b->ssh);
    json_add_str(o, "login", b->login);
    if (b->expires_at)
        json_add_i64(o, "expires_at", b->expires_at);
    json_add(o, "people", people_json(b));
    for (size_t i = 0; i < b->n_files; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "file", b->files[i].path);
        json_add_strn(one, "change", &b->files[i].change, 1);
        json_add_str(one, "lines", b->files[i].lines);
        json_object_array_add(files, one);
    }
    json_add(o, "unsynced", files);
    for (size_t i = 0; i < b->n_places; i++) {
        struct json_object *one = json_object_new_object();
        json_add_str(one, "file", b->places[i].path);
        json_add_str(one, "lines", b->places[i].lines);
        json_add_str(one, "login", b->places[i].who);
        json_object_array_add(places, one);
    }
    json_add(o, "radar", places);
    json_add(o, "activity", activity_json(b));
    return o;
}
