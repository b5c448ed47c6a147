#include "watch/board.h"

#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "watch/ranges.h"
#include "watch/text.h"

#define TYPING_SECONDS 15
#define EDITING_SECONDS 300
#define LIST_MAX 100000

/* --- memory ------------------------------------------------------------------------------------
 */

static void free_people(struct board *b)
{
    for (size_t i = 0; i < b->n_people; i++) {
        free(b->people[i].login);
        free(b->people[i].provider);
        free(b->people[i].editing);
    }
    free(b->people);
    b->people = NULL;
    b->n_people = 0;
}

static void free_entry(struct board_entry *e)
{
    free(e->who);
    free(e->text);
}

static void free_files(struct board *b)
{
    for (size_t i = 0; i < b->n_files; i++) {
        free(b->files[i].path);
        free(b->files[i].lines);
    }
    free(b->files);
    b->files = NULL;
    b->n_files = 0;
}

static void free_places(struct board *b)
{
    for (size_t i = 0; i < b->n_places; i++) {
        free(b->places[i].path);
        free(b->places[i].lines);
        free(b->places[i].who);
    }
    free(b->places);
    b->places = NULL;
    b->n_places = 0;
}

void board_release(struct board *b)
{
    char *texts[] = {b->session_id, b->mode, b->repo,  b->repo_name, b->branch,
                     b->link,       b->ssh,  b->login, b->provider};
    for (size_t i = 0; i < ARRAY_LEN(texts); i++)
        free(texts[i]);
    free_people(b);
    for (size_t i = 0; i < b->n_entries; i++)
        free_entry(&b->entries[i]);
    free(b->entries);
    free_files(b);
    free_places(b);
    *b = (struct board){0};
}

/* --- members of a line -------------------------------------------------------------------------
 */

/* Clean copy of a text; what is missing or wrong is "". */
static char *text_of(struct json_object *o, const char *key)
{
    const char *text = "";
    (void)json_opt_str(o, key, BOARD_TEXT_MAX, &text, NULL);
    return text_clean(text);
}

static int64_t number_of(struct json_object *o, const char *key, int64_t missing)
{
    int64_t n = missing;
    (void)json_opt_i64(o, key, 0, INT64_MAX / 2, &n, NULL);
    return n;
}

static struct json_object *list_of(struct json_object *o, const char *key, size_t *n)
{
    struct json_object *list = NULL;
    (void)json_opt_array(o, key, LIST_MAX, &list, NULL);
    *n = list ? json_object_array_length(list) : 0;
    return list;
}

static struct json_object *item(struct json_object *list, size_t i)
{
    return json_object_array_get_idx(list, i);
}

/* "10:12,20:20" as people read it; anything else is shown as no lines. */
static char *lines_of(struct json_object *o)
{
    cleanup_line_ranges struct line_ranges r = LINE_RANGES_INIT;
    struct str out = STR_INIT;
    const char *text = "";
    (void)json_opt_str(o, "lines", BOARD_TEXT_MAX, &text, NULL);
    if (line_ranges_parse(text, strlen(text), &r, NULL) == 0)
        line_ranges_describe(&r, &out);
    return str_detach(&out);
}

/* --- session and people ------------------------------------------------------------------------
 */

static void take_session(struct board *b, struct json_object *o)
{
    int64_t expires = b->expires_at;
    board_release(b);
    b->session_id = text_of(o, "session_id");
    b->mode = text_of(o, "mode");
    b->repo = text_of(o, "repo_url");
    b->repo_name = text_of(o, "repo_name");
    b->branch = text_of(o, "session_branch");
    b->link = text_of(o, "magic_link");
    b->ssh = text_of(o, "ssh_url");
    b->login = text_of(o, "login");
    b->provider = text_of(o, "provider");
    b->expires_at = number_of(o, "expires_at", expires);
}

static int rank(const struct board_person *p)
{
    return p->self ? 0 : p->connected ? 1 : 2;
}

static int by_rank(const void *a, const void *b)
{
    const struct board_person *p = a, *q = b;
    int d = rank(p) - rank(q);
    return d ? d : strcmp(p->login, q->login);
}

static void take_people(struct board *b, struct json_object *o)
{
    size_t n;
    struct json_object *list = list_of(o, "people", &n);
    b->expires_at = number_of(o, "expires_at", b->expires_at);
    free_people(b);
    n = n > BOARD_PEOPLE_MAX ? BOARD_PEOPLE_MAX : n;
    b->people = xcalloc(n + 1, sizeof *b->people);
    for (size_t i = 0; i < n; i++) {
        struct json_object *one = item(list, i);
        struct board_person *p = &b->people[b->n_people++];
        *p = (struct board_person){.login = text_of(one, "login"),
                                   .provider = text_of(one, "provider"),
                                   .editing = text_of(one, "editing"),
                                   .since = number_of(one, "since", 0),
                                   .typed_at = number_of(one, "typed_at", 0),
                                   .edited_at = number_of(one, "edited_at", 0),
                                   .unsynced = number_of(one, "unsynced", -1)};
        (void)json_opt_bool(one, "connected", &p->connected, NULL);
        p->self =
            b->login && strcmp(p->login, b->login) == 0 && strcmp(p->provider, b->provider) == 0;
    }
    qsort(b->people, b->n_people, sizeof *b->people, by_rank);
}

/* --- activity ----------------------------------------------------------------------------------
 */

static void add_entry(struct board *b, int64_t at, const char *who, enum board_tone tone,
                      struct str *text)
{
    if (!b->entries)
        b->entries = xcalloc(BOARD_ENTRIES_MAX, sizeof *b->entries);
    if (b->n_entries == BOARD_ENTRIES_MAX) {
        free_entry(&b->entries[0]);
        memmove(b->entries, b->entries + 1, (BOARD_ENTRIES_MAX - 1) * sizeof *b->entries);
        b->n_entries--;
    }
    b->entries[b->n_entries++] = (struct board_entry){at, xstrdup(who), str_detach(text), tone};
    b->n_ever++;
    /* Two logs are read one after the other at first. */
    for (size_t i = b->n_entries - 1; i > 0 && b->entries[i - 1].at > b->entries[i].at; i--) {
        struct board_entry e = b->entries[i];
        b->entries[i] = b->entries[i - 1];
        b->entries[i - 1] = e;
    }
}

static void add_file_and_lines(struct str *out, struct json_object *one)
{
    cleanup_free char *file = text_of(one, "file");
    cleanup_free char *lines = lines_of(one);
    str_addf(out, "%s%s%s", file, *lines ? " " : "", lines);
}

static void take_overlap(struct board *b, int64_t at, const char *who, struct json_object *one)
{
    struct str text = STR_INIT;
    size_t n;
    struct json_object *with = list_of(one, "with", &n);
    str_adds(&text, "overlap");
    for (size_t i = 0; i < n && i < 5; i++) {
        const char *login = json_object_get_string(item(with, i));
        str_adds(&text, i ? ", " : " with ");
        text_add_clean(&text, login ? login : "", login ? strnlen(login, 256) : 0);
    }
    str_adds(&text, ": ");
    add_file_and_lines(&text, one);
    add_entry(b, at, who, BOARD_WARN, &text);
}

static void take_sync(struct board *b, struct json_object *o)
{
    cleanup_free char *who = text_of(o, "user");
    struct str text = STR_INIT;
    int64_t at = number_of(o, "timestamp", 0);
    size_t n, n_overlaps;
    struct json_object *changes = list_of(o, "changes", &n);
    struct json_object *overlaps = list_of(o, "overlaps", &n_overlaps);
    str_addf(&text, "synced %zu file%s", n, n == 1 ? "" : "s");
    for (size_t i = 0; i < n && i < BOARD_FILES_NAMED; i++) {
        str_adds(&text, i ? "; " : ": ");
        add_file_and_lines(&text, item(changes, i));
    }
    if (n > BOARD_FILES_NAMED)
        str_addf(&text, "; and %zu more", n - BOARD_FILES_NAMED);
    add_entry(b, at, who, BOARD_GOOD, &text);
    for (size_t i = 0; i < n_overlaps && i < BOARD_FILES_NAMED; i++)
        take_overlap(b, at, who, item(overlaps, i));
}

static void take_activity(struct board *b, struct json_object *o)
{
    static const struct {
        const char *event, *text;
    } known[] = {{"connected", "joined"},
                 {"disconnected", "left"},
                 {"started", "started the session"},
                 {"published", "published"},
                 {"removed", "was put out"}};
    cleanup_free char *who = text_of(o, "user");
    cleanup_free char *event = text_of(o, "event");
    struct json_object *detail = NULL;
    struct str text = STR_INIT;
    /* The sync-log says more. */
    if (strcmp(event, "synced") == 0 || !*event)
        return;
    size_t i = 0;
    while (i < ARRAY_LEN(known) && strcmp(known[i].event, event) != 0)
        i++;
    str_adds(&text, i < ARRAY_LEN(known) ? known[i].text : event);
    for (char *c = text.p; *c; c++)
        if (*c == '_')
            *c = ' ';
    (void)json_opt_object(o, "detail", &detail, NULL);
    cleanup_free char *branch = text_of(detail, "branch");
    if (*branch)
        str_addf(&text, " %s", branch);
    bool good = strcmp(event, "published") == 0;
    add_entry(b, number_of(o, "timestamp", 0), who, good ? BOARD_GOOD : BOARD_CALM, &text);
}

/* --- unsynced and radar ------------------------------------------------------------------------
 */

static void take_unsynced(struct board *b, struct json_object *o)
{
    size_t n;
    struct json_object *list = list_of(o, "files", &n);
    free_files(b);
    b->more_files = n > BOARD_FILES_MAX;
    (void)json_opt_bool(o, "more", &b->more_files, NULL);
    n = n > BOARD_FILES_MAX ? BOARD_FILES_MAX : n;
    b->files = xcalloc(n + 1, sizeof *b->files);
    for (size_t i = 0; i < n; i++) {
        cleanup_free char *change = text_of(item(list, i), "change");
        b->files[b->n_files++] = (struct board_file){.path = text_of(item(list, i), "file"),
                                                     .lines = lines_of(item(list, i)),
                                                     .change = *change ? *change : 'M'};
    }
}

static void take_radar(struct board *b, struct json_object *o)
{
    size_t n;
    struct json_object *list = list_of(o, "places", &n);
    free_places(b);
    n = n > BOARD_PLACES_MAX ? BOARD_PLACES_MAX : n;
    b->places = xcalloc(n + 1, sizeof *b->places);
    for (size_t i = 0; i < n; i++)
        b->places[b->n_places++] = (struct board_place){.path = text_of(item(list, i), "file"),
                                                        .lines = lines_of(item(list, i)),
                                                        .who = text_of(item(list, i), "login")};
}

/* --- lines -------------------------------------------------------------------------------------
 */

static void take_ready(struct board *b, struct json_object *o)
{
    (void)o;
    b->ready = true;
}

int board_take(struct board *b, const char *line, size_t len, enum board_type *type,
               struct err *err)
{
    static const struct {
        const char *name;
        enum board_type type;
        void (*take)(struct board *b, struct json_object *o);
    } types[] = {{"session", BOARD_SESSION, take_session},    {"people", BOARD_PEOPLE, take_people},
                 {"activity", BOARD_ACTIVITY, take_activity}, {"sync", BOARD_ACTIVITY, take_sync},
                 {"unsynced", BOARD_UNSYNCED, take_unsynced}, {"radar", BOARD_RADAR, take_radar},
                 {"ready", BOARD_READY, take_ready}};
    cleanup_json struct json_object *o = NULL;
    const char *name = NULL;
    if (len > BOARD_LINE_MAX)
        return err_set(err, ERR_LIMIT, "the line is too long");
    int rc = json_parse(line, len, &o, err);
    if (rc == 0 && !json_object_is_type(o, json_type_object))
        rc = err_set(err, ERR_INVALID, "not an event");
    if (rc == 0)
        rc = json_get_str(o, "type", 32, &name, err);
    if (rc < 0)
        return rc == ERR_NOT_FOUND ? ERR_INVALID : rc;
    if (type)
        *type = BOARD_OTHER;
    for (size_t i = 0; i < ARRAY_LEN(types); i++) {
        if (strcmp(types[i].name, name) != 0)
            continue;
        types[i].take(b, o);
        if (type)
            *type = types[i].type;
    }
    return 0;
}

/* --- people as a sentence ----------------------------------------------------------------------
 */

void board_describe_person(const struct board_person *p, int64_t now, struct str *out)
{
    if (!p->connected) {
        str_adds(out, "away");
        return;
    }
    int64_t last = p->typed_at > p->edited_at ? p->typed_at : p->edited_at;
    bool typing = last && now - last < TYPING_SECONDS;
    bool editing = *p->editing && p->edited_at && now - p->edited_at < EDITING_SECONDS;
    if (editing)
        str_addf(out, "editing %s", p->editing);
    if (typing)
        str_adds(out, editing ? ", typing" : "typing");
    if (typing || editing)
        return;
    if (last < p->since)
        last = p->since;
    if (now - last < 60) {
        str_adds(out, "here");
        return;
    }
    str_adds(out, "idle ");
    text_add_ago(out, last, now);
}

int board_next_change(const struct board *b, int64_t now)
{
    for (size_t i = 0; i < b->n_people; i++) {
        const struct board_person *p = &b->people[i];
        int64_t last = p->typed_at > p->edited_at ? p->typed_at : p->edited_at;
        if (p->connected && last && now - last < TYPING_SECONDS)
            return TYPING_SECONDS;
    }
    if (b->expires_at > now)
        return (int)((b->expires_at - now) % 60) + 1;
    return 60;
}
