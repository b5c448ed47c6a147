/* doctor: looks at everything that a session needs, one line a finding, with what mends it. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "command.h"
#include "doctor.h"
#include "opt.h"
#include "ui.h"

static const struct command_help help = {
    .name = "doctor",
    .synopsis = "[options]",
    .summary = "Checks this machine, the login and the server, and says how to mend what is wrong.",
    .text = "Exit status 1 when something is wrong; warnings alone give 0. The server tells about\n"
            "its engine, limits, image, ports and disk; no login is needed for that.",
    .example = "steadystate doctor --server https://dev.example.org",
};

static void print(enum doctor_verdict verdict, const char *word, const char *check,
                  const char *detail, const char *mend)
{
    static const enum ui_style styles[] = {UI_GREEN, UI_YELLOW, UI_RED};
    cleanup_str struct str line = STR_INIT;
    str_add_printable(&line, detail, strlen(detail));
    if (verdict != DOCTOR_FINE && mend && mend[0]) {
        str_adds(&line, ". ");
        str_add_printable(&line, mend, strlen(mend));
    }
    static const enum ui_mark marks[] = {UI_MARK_GOOD, UI_MARK_LOOK, UI_MARK_BAD};
    printf("%s%s%-7s%s %-8s %s\n", ui_mark(STDOUT_FILENO, marks[verdict]),
           ui_style(STDOUT_FILENO, styles[verdict]), word, ui_style(STDOUT_FILENO, UI_PLAIN), check,
           line.p);
}

void doctor_find(struct doctor *d, enum doctor_verdict verdict, const char *check, const char *mend,
                 const char *fmt, ...)
{
    static const char *const words[] = {"ok", "warning", "wrong"};
    cleanup_str struct str detail = STR_INIT;
    va_list ap;
    va_start(ap, fmt);
    str_vaddf(&detail, fmt, ap);
    va_end(ap);
    d->wrong += verdict == DOCTOR_WRONG;
    if (!d->json) {
        print(verdict, words[verdict], check, detail.p, mend);
        return;
    }
    struct json_object *finding = json_object_new_object();
    json_add_str(finding, "check", check);
    json_add_str(finding, "result", words[verdict]);
    json_add_str(finding, "detail", detail.p);
    json_add_str(finding, "mend", verdict == DOCTOR_FINE ? NULL : mend);
    json_object_array_add(d->findings, finding);
}

int cmd_doctor(int argc, char **argv)
{
    const char *server = NULL;
    struct doctor d = {0};
    const struct opt opts[] = {
        {'s', "server", OPT_VALUE, "URL", "another server than the current one", .text = &server},
        {0, "json", OPT_FLAG, NULL, "as JSON", .flag = &d.json},
        {0}};
    int first, rc = opt_parse(argc, argv, opts, &help, &first);
    if (rc >= 0)
        return rc;
    if (first < argc)
        return opt_usage_error(&help, "unexpected '%s'", argv[first]);
    struct err err = ERR_INIT;
    cleanup_backend struct backend b = {0};
    d.findings = json_object_new_array();
    doctor_check_here(&d);
    if (backend_open(server, &b, &err))
        doctor_find(&d, DOCTOR_WRONG, "server", "Name one with --server URL.", "%s", err.msg);
    else
        doctor_check_server(&d, &b);
    if (d.json) {
        cleanup_json struct json_object *all = json_object_new_object();
        json_add(all, "findings", json_object_get(d.findings));
        json_add_i64(all, "wrong", d.wrong);
        ui_print_json(all);
    }
    json_object_put(d.findings);
    return d.wrong ? EXIT_FAILED : EXIT_DONE;
}
