/*
 * What a dashboard knows: the model behind the screen, fed line by line with the events that
 * `steadystate watch --events` prints (docs/protocols.md, section 6). Pure.
 *
 * Every text in it is clean (watch/text.h): what strangers named cannot reach a terminal raw.
 */
#ifndef WATCH_BOARD_H
#define WATCH_BOARD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/err.h"
#include "base/json.h"

#define BOARD_LINE_MAX ((size_t)1 << 20)
#define BOARD_PEOPLE_MAX 1000
#define BOARD_ENTRIES_MAX 300 /* activity that is kept; the oldest goes first */
#define BOARD_FILES_MAX 500
#define BOARD_PLACES_MAX 500
#define BOARD_TEXT_MAX 4096
#define BOARD_FILES_NAMED 4 /* files of one sync that are named */

struct board_person {
    char *login;
    char *provider;
    char *editing; /* NULL: nothing */
    bool connected;
    bool self;
    int64_t since, typed_at, edited_at; /* 0: unknown */
    int64_t unsynced;                   /* files; -1: unknown */
};

enum board_tone { BOARD_CALM, BOARD_GOOD, BOARD_WARN };

struct board_entry {
    int64_t at;
    char *who; /* "": nobody */
    char *text;
    enum board_tone tone;
};

struct board_file {
    char *path;
    char *lines; /* "10-12, 20" */
    char change;
};

struct board_place {
    char *path;
    char *lines; /* of one's own file */
    char *who;
};

struct board {
    char *session_id, *mode, *repo, *repo_name, *branch, *link, *ssh, *login, *provider;
    int64_t expires_at; /* 0: unknown */
    struct board_person *people;
    size_t n_people;
    struct board_entry *entries; /* oldest first */
    size_t n_entries;
    size_t n_ever; /* entries that there were, also those that are gone */
    struct board_file *files;
    size_t n_files;
    bool more_files;
    struct board_place *places;
    size_t n_places;
    bool ready; /* everything there was has been told */
};

void board_release(struct board *b);
#define cleanup_board cleanup(board_release)

/* One line of the stream. A session line empties the board first. Unknown types are ignored;
 * ERR_INVALID: no such line. *type (may be NULL) is set to what came. */
enum board_type {
    BOARD_OTHER,
    BOARD_SESSION,
    BOARD_PEOPLE,
    BOARD_ACTIVITY,
    BOARD_UNSYNCED,
    BOARD_RADAR,
    BOARD_READY,
};
int board_take(struct board *b, const char *line, size_t len, enum board_type *type,
               struct err *err);

/* What somebody does: "editing a.c, typing", "idle 5 min", "away". */
void board_describe_person(const struct board_person *p, int64_t now, struct str *out);
/* When a description will be another one by time alone: seconds from now, at most 60. */
int board_next_change(const struct board *b, int64_t now);

#endif
