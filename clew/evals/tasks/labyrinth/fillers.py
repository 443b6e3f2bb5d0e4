"""Sentences that are true of an entity and answer no question: openings, and filling between facts.

A block per type: `open` introduces (`{k}`: the kind with its article), `fill` goes anywhere and fits every kind of the
type. The blocks `named` and `called` warn of a name that is easily confused (`{o}`): a person's, any other.
Other marks are those of `phrases.py`.
"""

from __future__ import annotations

from functools import cache

TEXT = """
= person
open {s} was {k}. | {s} is remembered as {k}. | {s} was {k} by profession. | {s} worked as {k} for forty years.
  The life of {s}, {k}, is well documented.
fill No portrait of {s*} has survived. | {s} kept a diary, of which only the index survives.
  Friends described {s*} as patient and rather shy. | Several letters by {s*} are written in green ink.
  {s} disliked travelling by night. | Neighbours recalled that {s} rose early and walked before breakfast.
  Two short biographies of {s*} were begun and never finished. | {s} owned a small dog and a large library.
  A later writer called {s*} "a person of few words and many notebooks". | {s} was fond of plum cake and of chess.
  {s} never learned to swim. | {s's} handwriting is famous for being hard to read.

= realm
open {s} is a realm with old laws and many small towns. | {s} is a realm known for its quiet borders.
fill Travellers praise the inns of {s}. | The coins of {s} show a heron on one side and a plough on the other.
  The roads of {s} are lined with poplars. | The oldest law of {s} concerns the keeping of bees.
  The flag of {s} has been changed more often than its borders. | Maps of {s} used to be drawn with the south on top.
  Letters posted in {s} arrive slowly but safely. | Most people in {s} live from farming.

= province
open {s} is a province of wide fields and scattered woods. | {s} is a province with a long memory and short winters.
fill The farms of {s} are small and well kept. | In {s} people bake a flat bread with caraway.
  Storks return to {s} every April. | The dialect of {s} has eleven words for rain.
  Wool from {s} used to be sold at fairs far away. | Old boundary stones still mark the edges of {s}.
  The orchards of {s} are known for their pears. | Many roads in {s} are still unpaved.

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
  Parts of {s} freeze over in a hard winter. | Washing was once done on the banks of {s}.

= mountain
open {s} is a mountain with a broad summit. | {s} is a mountain of dark rock. | {s} is a steep and lonely mountain.
fill Snow lies on {s} until early summer. | Shepherds bring their flocks to {s} in June.
  A hut halfway up {s} offers soup and blankets. | Eagles have been seen above {s}.
  On clear days {s} can be seen from far away. | The path up {s} is marked with red paint.
  Clouds often hide {s} for days. | A thunderstorm on {s} is a thing to remember.

= bridge
open {s} is {k}. | {s} is {k} with a long history of repairs. | {s} is {k}, well known to painters.
fill Swallows nest under {s}. | A toll was once collected on {s}. | The lamps on {s} are lit at dusk.
  Heavy carts are not allowed on {s}. | Lovers like to meet on {s} in the evening.
  The last inspection of {s} found no damage. | Ice has damaged {s} several times. | Anglers are often seen on {s}.
  A small plaque on {s} warns against jumping.

= company
open {s} is {k} that is known for its careful books. | {s} is {k} that began in a rented barn.
  {s} is {k} with a good name among its customers.
fill The letterhead of {s} shows a bee. | Wages at {s} are paid on Thursdays.
  {s} has survived two fires and a flood. | The ledgers of {s} fill a whole cellar.
  A brass bell calls the staff of {s} to work. | Visitors to {s} are asked to sign a book at the door.
  {s} closes for one week in August. | Apprentices at {s} are given an apple a day.

= ship
open {s} is {k}. | {s} is {k} with a figurehead in the shape of a swan. | {s} is {k} of good repute.
fill The bell of {s} has a small crack. | {s} once carried a cargo of oranges and clocks.
  The first cook of {s} was feared by all. | In a fair wind {s} is faster than most ships of its size.
  A model of {s} hangs in a chapel. | The sails of {s} were patched with cloth of three colours.
  {s} has been repainted many times. | A cat has always been kept aboard {s}.

= book
open {s} is {k}. | {s} is {k} of some two hundred pages. | {s} is {k} that went through several printings.
fill Critics praised the opening of {s}. | {s} was translated twice, both times badly.
  Many readers of {s} know parts of it by heart. | {s} was bound in blue cloth. | The first page of {s} is often quoted.
  Second-hand copies of {s} are not expensive. | The manuscript of {s} has not survived.
  Some copies of {s} contain a map.

= instrument
open {s} is {k} with a warm tone. | {s} is {k} that takes years to master. | {s} is {k} with a distinctive sound.
fill {s} is no instrument for beginners. | Few composers have written for {s}.
  A good example of {s} costs as much as a cow. | {s} is seldom heard in concert halls today.
  Children rarely choose {s} as their first instrument. | {s} needs regular care.
  Several museums show early examples of {s}. | {s} is mostly heard at weddings.

= festival
open {s} is {k} with music, stalls and too much to eat. | {s} is {k} that draws visitors from far away.
  {s} is {k} with a friendly reputation.
fill Tickets for {s} are printed on yellow paper. | Rain has spoilt {s} more than once.
  The last evening of {s} ends with a procession of lanterns. | Innkeepers look forward to {s} all year.
  {s} is opened by the youngest player present. | Pickpockets are a known trouble at {s}.
  Local bakers sell honey cakes at {s}. | Dancing at {s} goes on past midnight.

= school
open {s} is a school with a strict timetable. | {s} is a school with a good name.
  {s} is a school that takes boarders.
fill Lessons at {s} begin at seven. | The library of {s} owns more maps than novels. | The pupils of {s} wear grey.
  A walnut tree grows in the yard of {s}. | Latin is taught at {s} on Saturdays. | The motto of {s} is about patience.
  The roof of {s} has been replaced twice. | Former pupils of {s} meet every spring.

= theatre
open {s} is {k} with red velvet and creaking stairs. | {s} is {k} with good acoustics.
  {s} is {k} with a small but loyal audience.
fill A ghost is said to live under the stage of {s}. | The ceiling of {s} is painted with clouds.
  Comedies do better than tragedies in {s}. | The prompter's box of {s} is very narrow.
  In hot summers {s} stays closed. | The curtain of {s} weighs as much as a cart.
  The cloakroom of {s} is run by two sisters. | The stage of {s} slopes slightly towards the audience.

= mineral
open {s} is {k}. | {s} is {k} with a glassy lustre. | {s} is {k} with no smell or taste.
  {s} is {k} that breaks into flat pieces.
fill Collectors prize large crystals of {s}. | {s} dissolves slowly in vinegar.
  Heated over a flame, {s} turns cloudy. | {s} can be scratched with a knife. | Jewellers find {s} too soft for rings.
  Good pieces of {s} are kept in cotton wool. | {s} is heavier than it looks. | Most schools own a small sample of {s}.

= named
twin {s} should not be confused with {o}. | {s} and {o} are often mixed up because of their names.
  {s} is often taken for {o} by mistake.

= called
twin {s} should not be confused with {o}. | Because of the similar names, {s} is sometimes mistaken for {o}.
  {s} has nothing to do with {o}, whatever the names suggest.
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


def fillings(type: str) -> tuple[str, ...]:
    return blocks()[type]["fill"]


def warnings(type: str) -> tuple[str, ...]:
    return blocks()["named" if type == "person" else "called"]["twin"]
