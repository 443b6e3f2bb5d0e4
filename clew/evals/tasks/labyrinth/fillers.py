"""Sentences that are true of an entity and answer no question: openings, and filling between facts.

A block per type: `open` introduces (`{k}`: the kind with its article), `fill` goes anywhere, `twin` warns of a name
that is easily confused (`{o}`).
`*` holds for every type but people; other marks are those of `phrases.py`.
"""

from __future__ import annotations

from functools import cache

TEXT = """
= person
open {s} was {k}. | {s} is remembered as {k}. | {s}, {k}, left a modest number of papers. | {s} was by trade {k}.
  Of the life of {s}, {k}, the outlines are well known.
fill The only portrait of {s*} has been lost. | {s} kept a diary, of which only the index survives.
  Friends described {s*} as patient and rather shy. | Several letters by {s*} are written in green ink.
  {s} disliked travelling by night. | Neighbours recalled that {s} rose early and walked before breakfast.
  Two short biographies of {s*} were begun and never finished. | {s} owned a small dog and a large library.
  A later writer called {s*} "a person of few words and many notebooks". | {s} was fond of plum cake and of chess.
  {s} never learned to swim. | {s's} handwriting is famous for being hard to read.
twin {s} should not be confused with {o}. | {s} and {o} are often mixed up because of their names.
  A common mistake is to take {s*} for {o}.

= realm
open {s} is a realm with old laws and many small towns. | {s} is a realm known for its quiet borders.
fill Travellers praise the inns of {s}. | The coins of {s} show a heron on one side and a plough on the other.
  The roads of {s} are lined with poplars. | The oldest law of {s} concerns the keeping of bees.
  The flag of {s} has been changed more often than its borders. | Maps of {s} used to be drawn with the south on top.

= province
open {s} is a province of wide fields and scattered woods. | {s} is a province with a long memory and short winters.
fill The farms of {s} are small and well kept. | In {s} people bake a flat bread with caraway.
  Storks return to {s} every April. | The dialect of {s} has eleven words for rain.
  Wool from {s} used to be sold at fairs far away. | Old boundary stones still mark the edges of {s}.

= town
open {s} is {k}. | {s} is {k} of some age. | {s} is {k} with narrow lanes and a broad square.
fill The clock on the town hall of {s} runs four minutes slow. | The bakers of {s} are known for a bread with fennel.
  The market square of {s} is paved with grey stone. | In winter fog often hangs over {s} until noon.
  The oldest houses of {s} have painted doors. | A row of lime trees shades the main street of {s}.
  Market day in {s} is a noisy affair. | Fires destroyed part of {s} more than once.
  The weathercock above {s} has the shape of a fish.

= river
open {s} is a river with clear water and a stony bed. | {s} is a river known for its trout.
  {s} is a slow brown river.
fill Herons fish along {s}. | In dry summers {s} can be crossed on foot in places.
  The willows along {s} are cut every third year. | Floods on {s} are recorded in many parish books.
  Flat boats once carried timber down {s}. | Children are told that {s} never makes the same sound twice.

= mountain
open {s} is a mountain with a broad summit. | {s} is a mountain of dark rock. | {s} is a steep and lonely mountain.
fill Snow lies on {s} until early summer. | Shepherds bring their flocks to {s} in June.
  A hut halfway up {s} offers soup and blankets. | Eagles have been seen above {s}.
  On clear days {s} can be seen from far away. | The path up {s} is marked with red paint.

= bridge
open {s} is {k}. | {s} is {k} with a long history of repairs. | {s} is {k}, well known to painters.
fill Swallows nest under {s}. | A toll was once collected on {s}. | The lamps on {s} are lit at dusk.
  Carts have worn deep grooves into {s}. | Lovers scratch their initials into the stones of {s}.
  An inspection of {s} found nothing worse than rust and moss.

= company
open {s} is {k} that is known for its careful books. | {s} is {k} that began in a rented barn.
  {s} is {k} with a good name among its customers.
fill The letterhead of {s} shows a bee. | Wages at {s} are paid on Thursdays.
  {s} has weathered two bankruptcies of its rivals. | The ledgers of {s} fill a whole cellar.
  A brass bell calls the staff of {s} to work. | Visitors to {s} are asked to sign a book at the door.

= ship
open {s} is {k}. | {s} is {k} with a figurehead in the shape of a swan. | {s} is {k} of good repute.
fill The bell of {s} has a crack that cannot be heard. | {s} once carried a cargo of oranges and clocks.
  The cook of {s} was feared by all. | In a fair wind {s} is faster than most ships of its size.
  A model of {s} hangs in a chapel. | The sails of {s} were patched with cloth of three colours.

= book
open {s} is {k}. | {s} is {k} in nine chapters. | {s} is {k} that went through several printings.
fill Critics praised the last chapter of {s}. | A stage version of {s} was planned but not performed.
  Readers of {s} often skip the preface. | {s} was bound in blue cloth. | The first page of {s} is often quoted.
  Second-hand copies of {s} are not expensive.

= instrument
open {s} is {k} with a warm tone. | {s} is {k} that is hard to tune. | {s} is {k} with a compass of three octaves.
fill Beginners need about a year before {s} obeys them. | {s} is carried in a case lined with felt.
  Few composers have written for {s}. | In damp weather {s} goes flat. | {s} is played standing.
  A good example of {s} costs as much as a cow.

= festival
open {s} is {k} with music, stalls and too much to eat. | {s} is {k} that draws visitors every year.
  {s} is {k} that lasts for three days.
fill Tickets for {s} are printed on yellow paper. | Rain has spoilt {s} more than once.
  The last evening of {s} ends with a procession of lanterns. | Innkeepers look forward to {s} all year.
  {s} is opened by the youngest player present. | Pickpockets are a known trouble at {s}.

= school
open {s} is a school with a strict timetable. | {s} is a school with a good name.
  {s} is a school that takes boarders.
fill Lessons at {s} begin at seven. | The library of {s} owns more maps than novels. | The pupils of {s} wear grey.
  A walnut tree grows in the yard of {s}. | Latin is taught at {s} on Saturdays. | The motto of {s} is about patience.

= theatre
open {s} is {k} with red velvet and creaking stairs. | {s} is {k} with good acoustics.
  {s} is {k} with a small but loyal audience.
fill A ghost is said to live under the stage of {s}. | The ceiling of {s} is painted with clouds.
  Comedies do better than tragedies in {s}. | The prompter's box of {s} is very narrow.
  In hot summers {s} stays closed. | The curtain of {s} weighs as much as a cart.

= mineral
open {s} is {k}. | {s} is {k} with a glassy lustre. | {s} is {k} with no smell or taste.
  {s} is {k} that breaks into flat pieces.
fill Collectors prize large crystals of {s}. | {s} dissolves slowly in vinegar.
  Heated over a flame, {s} turns cloudy. | {s} can be scratched with a knife. | Jewellers find {s} too soft for rings.
  Good pieces of {s} are kept in cotton wool.

= *
fill Schoolchildren draw {s} with coloured chalk. | A short poem about {s} is known to many by heart.
  Those who know {s} well say that pictures do not do it justice.
  Opinions about {s} are divided, as they are about most things.
  An old postcard of {s} can be found in many drawers. | Much that is said about {s} in taverns is untrue.
  {s} appears on a postage stamp.
twin {s} should not be confused with {o}. | Because of the similar names, {s} is sometimes mistaken for {o}.
  {o} has nothing to do with {s}, whatever the names suggest.
"""


@cache
def blocks() -> dict[str, dict[str, tuple[str, ...]]]:
    """Type: section: templates."""
    found: dict[str, dict[str, tuple[str, ...]]] = {}
    for block in TEXT.split("\n= ")[1:]:
        head, *lines = block.strip().splitlines()
        sections: dict[str, tuple[str, ...]] = {}
        key = ""
        for line in lines:
            if not line.startswith(" "):
                key, _, line = line.partition(" ")
            sections[key] = sections.get(key, ()) + tuple(text.strip() for text in line.split(" | "))
        found[head] = sections
    return found


def openings(type: str) -> tuple[str, ...]:
    return blocks()[type]["open"]


def fillings(type: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Sentences that fit anything but people, and those of the type's own."""
    return (() if type == "person" else blocks()["*"]["fill"]), blocks()[type]["fill"]


def warnings(type: str) -> tuple[str, ...]:
    return blocks()["person" if type == "person" else "*"]["twin"]
