#include "complete.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "base/proc.h"
#include "base/str.h"
#include "catalog.h"

#define ANSWER_MAX ((size_t)1 << 20)
#define FILES ":files"

static void offer(const char *word, const char *description, bool describe)
{
    if (describe && description && *description)
        printf("%s\t%s\n", word, description);
    else
        puts(word);
}

/* Output of `steadystate <words>`, NULL on any failure. */
static char *ask(const char *const *words)
{
    cleanup_strv struct strv argv = STRV_INIT;
    cleanup_proc_result struct proc_result answer = {0, STR_INIT, STR_INIT};
    struct proc_spec spec = PROC_SPEC_INIT;
    strv_push(&argv, "steadystate");
    for (; *words; words++)
        strv_push(&argv, *words);
    spec.file = "/proc/self/exe";
    spec.argv = argv.v;
    spec.envp = environ;
    spec.new_group = true;
    spec.die_with_parent = true;
    if (proc_run(&spec, NULL, 0, ANSWER_MAX, COMPLETE_WAIT_MS, &answer, NULL) < 0 || answer.status)
        return NULL;
    return str_detach(&answer.out);
}

static void offer_commands(bool describe)
{
    for (size_t i = 0; i < n_catalog; i++)
        offer(catalog[i].name, catalog[i].summary, describe);
}

static void offer_lines(const char *const *question)
{
    cleanup_free char *answer = ask(question);
    if (answer)
        fputs(answer, stdout);
}

/* Logins that the session knows: of the one named, or of the one that we are inside. */
static void offer_logins(const char *session)
{
    const char *const outside[] = {"members", "--json", session, NULL};
    const char *const inside[] = {"status", "--json", NULL};
    cleanup_free char *answer = ask(session ? outside : inside);
    cleanup_json struct json_object *obj = NULL;
    struct json_object *members = NULL;
    if (!answer || json_parse(answer, strlen(answer), &obj, NULL) ||
        json_opt_array(obj, "members", 100000, &members, NULL))
        return;
    for (size_t i = 0; members && i < json_object_array_length(members); i++) {
        const char *login = NULL;
        json_opt_str(json_object_array_get_idx(members, i), "login", 256, &login, NULL);
        if (login)
            puts(login);
    }
}

static void offer_operand(enum catalog_operand kind, const char *before)
{
    static const char *const sessions[] = {"list", "--ids", NULL};
    switch (kind) {
    case CATALOG_FILE:
        puts(FILES);
        break;
    case CATALOG_SESSION:
        offer_lines(sessions);
        break;
    case CATALOG_LOGIN:
        offer_logins(before);
        break;
    case CATALOG_SHELL:
        puts("bash\nzsh\nfish");
        break;
    case CATALOG_ARCHIVE:
        puts("list\nget");
        break;
    case CATALOG_NOTHING:
        break;
    }
}

static void offer_value(const char *name)
{
    if (strcmp(name, "MODE") == 0)
        puts("collab\npair");
    else if (strcmp(name, "P") == 0)
        puts("sshkey\ngithub\ngitlab\noidc");
    else if (strcmp(name, "STATE") == 0)
        puts("Provisioning\nRunning\nFailed\nTerminating\nTerminated");
    else if (strcmp(name, "FILE") == 0 || strcmp(name, "DIR") == 0 || strcmp(name, "KEYFILE") == 0)
        puts(FILES);
}

/* One line of --help=options, cut at its tabs. */
struct option_line {
    char *name, *value, *help;
};

static bool next_option(char **text, struct option_line *out)
{
    char *line = *text, *end = line ? strchr(line, '\n') : NULL;
    if (!end)
        return false;
    *end = '\0';
    *text = end + 1;
    out->name = line;
    out->value = strchr(line, '\t');
    out->help = out->value ? strchr(out->value + 1, '\t') : NULL;
    if (!out->help)
        return false;
    *out->value++ = '\0';
    *out->help++ = '\0';
    return true;
}

static void complete_command(const struct catalog_entry *entry, char *const *words, int n,
                             bool describe)
{
    const char *const question[] = {entry->name, "--help=options", NULL};
    cleanup_free char *options = ask(question);
    const char *current = words[n - 1], *value = NULL, *operand = NULL;
    int operands = 0;
    bool ended = false; /* by "--" */
    cleanup_strv struct strv valued = STRV_INIT;
    struct option_line o;
    for (char *p = options; next_option(&p, &o);) {
        if (*current == '-')
            offer(o.name, o.help, describe);
        else if (*o.value)
            strv_pushl(&valued, o.name, o.value, NULL);
    }
    for (int i = 0; i < n - 1; i++) {
        if (value) {
            value = NULL;
        } else if (!ended && words[i][0] == '-') {
            ended = strcmp(words[i], "--") == 0;
            for (size_t k = 0; k < valued.len; k += 2)
                if (strcmp(words[i], valued.v[k]) == 0)
                    value = valued.v[k + 1];
        } else {
            operand = words[i];
            operands++;
        }
    }
    if (value)
        offer_value(value);
    else if (*current != '-')
        offer_operand(operands ? entry->rest : entry->first, operand);
}

void complete_words(char *const *words, int n, bool describe)
{
    while (n > 1 && (strcmp(words[0], "-q") == 0 || strcmp(words[0], "--quiet") == 0 ||
                     strcmp(words[0], "--plain") == 0 || strcmp(words[0], "help") == 0)) {
        words++;
        n--;
    }
    const struct catalog_entry *entry = n > 1 ? catalog_find(words[0]) : NULL;
    if (entry)
        complete_command(entry, words + 1, n - 1, describe);
    else if (n == 1 && words[0][0] == '-')
        puts("--help\n--version\n--quiet\n--plain");
    else if (n == 1)
        offer_commands(describe);
}
