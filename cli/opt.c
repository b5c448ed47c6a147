#include "opt.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "ui.h"

static const struct opt *find_letter(const struct opt *opts, char letter)
{
    for (const struct opt *o = opts; o->name || o->letter; o++)
        if (o->letter && o->letter == letter)
            return o;
    return NULL;
}

static const struct opt *find_name(const struct opt *opts, const char *name, size_t len)
{
    for (const struct opt *o = opts; o->name || o->letter; o++)
        if (o->name && strlen(o->name) == len && memcmp(o->name, name, len) == 0)
            return o;
    return NULL;
}

int opt_usage_error(const struct command_help *help, const char *fmt, ...)
{
    cleanup_str struct str why = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&why, fmt, ap);
    va_end(ap);
    cleanup_free char *todo =
        help->name ? xasprintf("Try 'steadystate %s --help'.", help->name) : NULL;
    return ui_fail(EXIT_USAGE, help->name, why.p, todo);
}

static void print_option(const struct opt *o)
{
    cleanup_str struct str left = STR_INIT;
    str_adds(&left, "  ");
    if (o->letter)
        str_addf(&left, "-%c%s", o->letter, o->name ? ", " : "");
    else
        str_adds(&left, "    ");
    if (o->name)
        str_addf(&left, "--%s", o->name);
    if (o->kind != OPT_FLAG)
        str_addf(&left, " %s", o->value ? o->value : "VALUE");
    printf("%-28s %s\n", left.p, o->help);
}

static void print_help(const struct opt *opts, const struct command_help *help)
{
    printf("usage: steadystate %s%s%s\n\n%s\n", help->name, *help->synopsis ? " " : "",
           help->synopsis, help->summary);
    if (help->text)
        printf("\n%s\n", help->text);
    printf("\nOptions:\n");
    for (const struct opt *o = opts; o->name || o->letter; o++)
        print_option(o);
    printf("  -h, --help                 this text\n");
    printf("\nExample:\n");
    for (const char *p = help->example; *p;) {
        size_t n = strcspn(p, "\n");
        printf("  %.*s\n", (int)n, p);
        p += n + (p[n] == '\n');
    }
}

/* For completion. */
static void print_options(const struct opt *opts)
{
    for (const struct opt *o = opts; o->name || o->letter; o++) {
        const char *value = o->kind == OPT_FLAG ? "" : o->value ? o->value : "VALUE";
        if (o->name)
            printf("--%s\t%s\t%s\n", o->name, value, o->help);
        if (o->letter)
            printf("-%c\t%s\t%s\n", o->letter, value, o->help);
    }
    puts("--help\t\tthis text");
}

static void store(const struct opt *o, const char *value)
{
    if (o->kind == OPT_FLAG)
        *o->flag = true;
    else if (o->kind == OPT_VALUE)
        *o->text = value;
    else
        strv_push(o->list, value);
}

/* Also understood behind the command's name, where the command has no such option itself. */
static bool take_global(const char *word)
{
    if (strcmp(word, "-q") == 0 || strcmp(word, "--quiet") == 0)
        ui_set_quiet(true);
    else if (strcmp(word, "--plain") == 0)
        ui_set_plain(true);
    else
        return false;
    return true;
}

/* One "--name[=value]"; *i moves on when the value is the next argument. */
static int take_long(int argc, char **argv, int *i, const struct opt *opts,
                     const struct command_help *help)
{
    const char *name = argv[*i] + 2;
    const char *equals = strchr(name, '=');
    size_t len = equals ? (size_t)(equals - name) : strlen(name);
    const struct opt *o = find_name(opts, name, len);
    if (!o && take_global(argv[*i]))
        return -1;
    if (!o)
        return opt_usage_error(help, "unknown option '--%.*s'", (int)len, name);
    if (o->kind == OPT_FLAG) {
        if (equals)
            return opt_usage_error(help, "option '--%s' takes no value", o->name);
        store(o, NULL);
        return -1;
    }
    if (!equals && *i + 1 >= argc)
        return opt_usage_error(help, "option '--%s' needs a value", o->name);
    store(o, equals ? equals + 1 : argv[++*i]);
    return -1;
}

static int take_letters(int argc, char **argv, int *i, const struct opt *opts,
                        const struct command_help *help)
{
    for (const char *p = argv[*i] + 1; *p; p++) {
        const struct opt *o = find_letter(opts, *p);
        if (!o && take_global((const char[]){'-', *p, '\0'}))
            continue;
        if (!o)
            return opt_usage_error(help, "unknown option '-%c'", *p);
        if (o->kind == OPT_FLAG) {
            store(o, NULL);
            continue;
        }
        if (!p[1] && *i + 1 >= argc)
            return opt_usage_error(help, "option '-%c' needs a value", *p);
        store(o, p[1] ? p + 1 : argv[++*i]);
        break;
    }
    return -1;
}

int opt_parse(int argc, char **argv, const struct opt *opts, const struct command_help *help,
              int *first_operand)
{
    int kept = 1; /* operands are moved up behind argv[0], options are dropped */
    int i = 1;
    for (; i < argc; i++) {
        const char *arg = argv[i];
        if (strcmp(arg, "--") == 0) {
            i++;
            break;
        }
        if (arg[0] != '-' || arg[1] == '\0') {
            argv[kept++] = argv[i];
            continue;
        }
        if (strcmp(arg, "--help") == 0 || strcmp(arg, "-h") == 0) {
            print_help(opts, help);
            return EXIT_DONE;
        }
        if (strcmp(arg, "--help=options") == 0) {
            print_options(opts);
            return EXIT_DONE;
        }
        int rc = arg[1] == '-' ? take_long(argc, argv, &i, opts, help)
                               : take_letters(argc, argv, &i, opts, help);
        if (rc >= 0)
            return rc;
    }
    /* Shift the kept ones so that they end right before what stands behind "--". */
    int n = kept - 1;
    memmove(&argv[i - n], &argv[1], (size_t)n * sizeof *argv);
    *first_operand = i - n;
    return -1;
}
