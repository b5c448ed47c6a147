/*
 * Whether one side made all that the other made of some lines, word by word, and more.
 */
#ifndef MERGE_WORD_CONTAINER_H
#define MERGE_WORD_CONTAINER_H

#include <stdbool.h>

#include "merge/report.h"
#include "merge/text.h"

/* The side that put in all words that the other put in, in the same places and order, and took out
 * all that the other took out; with `blanks`, spaces and line ends are words too. MERGE_NOBODY
 * when neither did, when what they share is too little to tell, or when the texts are longer than
 * MERGE_LINE_MAX together. */
enum merge_side word_container(struct merge_slice base, struct merge_slice local,
                               struct merge_slice canonical, bool blanks);

/* Of two texts that were put in at one point, the one that has all the words of the other in their
 * order and only few besides. MERGE_NOBODY as above. */
enum merge_side word_fuller(struct merge_slice local, struct merge_slice canonical);

#endif
