#include "catalog.h"

#include <limits.h>
#include <string.h>
#include <unistd.h>

#include "base/mem.h"
#include "base/str.h"
#include "ui.h"

/* clang-format off */
const struct catalog_entry catalog[] = {
    {"login", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "log in to a server", "Account"},
    {"logout", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "revoke and forget the login", NULL},
    {"whoami", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "who is logged in, and until when", NULL},
    {"refresh", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "fetch a new access token", NULL},
    {"up", CATALOG_OUTSIDE, CATALOG_FILE, CATALOG_NOTHING, "start a session for a repository", "Sessions"},
    {"list", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "sessions you started or may join", NULL},
    {"join", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "enter a session", NULL},
    {"dashboard", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "who does what in a session (short: dash)", NULL},
    {"dash", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "dashboard", NULL},
    {"down", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "end a session", NULL},
    {"extend", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "give a session more time", NULL},
    {"members", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "who may come in, and who is there", NULL},
    {"kick", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_LOGIN, "throw a person out of a session", NULL},
    {"role", CATALOG_OUTSIDE, CATALOG_LOGIN, CATALOG_NOTHING, "who types in the shared terminal", NULL},
    {"approve", CATALOG_OUTSIDE, CATALOG_LOGIN, CATALOG_NOTHING, "let somebody in who waits", NULL},
    {"archive", CATALOG_OUTSIDE, CATALOG_ARCHIVE, CATALOG_SESSION, "unpublished work of ended sessions", NULL},
    {"ssh-config", CATALOG_OUTSIDE, CATALOG_SESSION, CATALOG_NOTHING, "a Host entry for ssh, editors and rsync", NULL},
    {"sync", CATALOG_INSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "merge your work with everybody's", "Inside a session"},
    {"publish", CATALOG_INSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "sync, then push the session's branch", NULL},
    {"status", CATALOG_INSIDE, CATALOG_FILE, CATALOG_FILE, "who is here, what a sync would do", NULL},
    {"watch", CATALOG_INSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "who does what in this session", NULL},
    {"diff", CATALOG_INSIDE, CATALOG_FILE, CATALOG_FILE, "what you changed since your last sync", NULL},
    {"conflicts", CATALOG_INSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "places where syncs overlapped", NULL},
    {"resolve", CATALOG_INSIDE, CATALOG_FILE, CATALOG_NOTHING, "choose a side of an overlap", NULL},
    {"undo", CATALOG_INSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "take back your last sync", NULL},
    {"credit", CATALOG_INSIDE, CATALOG_FILE, CATALOG_NOTHING, "who wrote each line of a file", NULL},
    {"pair", CATALOG_HERE, CATALOG_NOTHING, CATALOG_NOTHING, "open the session's shared terminal", NULL},
    {"merge-file", CATALOG_HERE, CATALOG_FILE, CATALOG_FILE, "merge three versions of a file", "Tools"},
    {"doctor", CATALOG_OUTSIDE, CATALOG_NOTHING, CATALOG_NOTHING, "what is wrong here, and how to mend it", NULL},
    {"completion", CATALOG_HERE, CATALOG_SHELL, CATALOG_NOTHING, "completion for bash, zsh or fish", NULL},
    {"version", CATALOG_HERE, CATALOG_NOTHING, CATALOG_NOTHING, "the version", NULL},
};
/* clang-format on */
const size_t n_catalog = ARRAY_LEN(catalog);

const struct catalog_entry *catalog_find(const char *name)
{
    for (size_t i = 0; i < n_catalog; i++)
        if (strcmp(name, catalog[i].name) == 0)
            return &catalog[i];
    return NULL;
}

/* Edit distance, small words only. */
static size_t distance(const char *a, const char *b)
{
    size_t n = strlen(a), m = strlen(b), row[32];
    if (n >= ARRAY_LEN(row) || m >= ARRAY_LEN(row))
        return 99;
    for (size_t j = 0; j <= m; j++)
        row[j] = j;
    for (size_t i = 1; i <= n; i++) {
        size_t diagonal = row[0];
        row[0] = i;
        for (size_t j = 1; j <= m; j++) {
            size_t replace = diagonal + (a[i - 1] != b[j - 1]);
            size_t best = replace;
            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[m];
}

const char *catalog_guess(const char *name)
{
    const char *best = NULL;
    size_t best_distance = 3;
    for (size_t i = 0; i < n_catalog; i++) {
        size_t d = distance(name, catalog[i].name);
        if (d < best_distance && 2 * d <= strlen(name)) {
            best_distance = d;
            best = catalog[i].name;
        }
    }
    return best;
}

char *catalog_program_path(enum catalog_program program, struct err *err)
{
    const char *name = program == CATALOG_INSIDE ? "steadystate-inside" : "steadystate-outside";
    char self[PATH_MAX];
    ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
    if (n < 0) {
        err_errno(err, "/proc/self/exe");
        return NULL;
    }
    while (n && self[n - 1] != '/')
        n--;
    cleanup_free char *beside = xasprintf("%.*s%s", (int)n, self, name);
    if (access(beside, X_OK) == 0)
        return steal(&beside);
    return xasprintf("%.*s../libexec/steadystate/%s", (int)n, self, name);
}

int catalog_exec(enum catalog_program program, const char *what, char **argv)
{
    struct err err = ERR_INIT;
    cleanup_free char *path = catalog_program_path(program, &err);
    if (path) {
        execv(path, argv);
        err_errno(&err, "start %s", path);
    }
    return ui_fail(EXIT_FAILED, what, err.msg, "Install SteadyState again.");
}
