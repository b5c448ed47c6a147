/*
 * What may stand at the end of a command line: the one place that all shells' completion asks.
 */
#ifndef CLI_COMPLETE_H
#define CLI_COMPLETE_H

#include <stdbool.h>

#define COMPLETE_WAIT_MS 3000 /* for the server's answer */

/*
 * words: the command line behind "steadystate", n > 0 of them, the last one (may be empty) being
 * typed. Prints a candidate a line, with "<TAB>description" when asked for; ":files" alone: names
 * of files. Prints nothing when nothing is known, for whatever reason.
 */
void complete_words(char *const *words, int n, bool describe);

#endif
