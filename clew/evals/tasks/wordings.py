"""The words of arithmetic problems, by split and family. No two splits share a wording or a name."""

from __future__ import annotations

from collections.abc import Mapping

NAMES: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "train": {
        "person": (
            "Amara",
            "Bela",
            "Chidi",
            "Dorota",
            "Emre",
            "Farah",
        ),
        "place": (
            "the north depot",
            "the old mill",
            "the river harbour",
            "the hill farm",
        ),
        "thing": (
            "lanterns",
            "ceramic tiles",
            "jars of honey",
            "bicycle chains",
        ),
    },
    "validation": {
        "person": (
            "Goran",
            "Halima",
            "Ioana",
            "Jiro",
        ),
        "place": (
            "the customs house",
            "the south quay",
            "the print shop",
        ),
        "thing": (
            "door hinges",
            "seed packets",
            "wool blankets",
        ),
    },
    "test": {
        "person": (
            "Kwame",
            "Lucía",
            "Mirela",
            "Nikhil",
            "Oyelaran",
            "Petra",
        ),
        "place": (
            "the eastern store",
            "the railway yard",
            "the glassworks",
            "the valley dairy",
        ),
        "thing": (
            "copper valves",
            "notebooks",
            "cheese wheels",
            "brass buttons",
        ),
    },
}

WORDINGS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "train": {
        "expression": (
            "Compute {expression}.",
            "What is the value of {expression}?",
        ),
        "stock": (
            "A truck brings {pallets} pallets with {boxes} {thing} each to {place}, where {start:,} were already "
            "kept. Afterwards {sold:,} are sold. How many {thing} are left at {place}?",
            "{person} counts {start:,} {thing} at {place}. Then {pallets} crates arrive, {boxes} {thing} in every "
            "crate, and {sold:,} {thing} leave again. What does {person} count now?",
        ),
        "percent": (
            "{person} buys a machine for {price:,} euros. Its price rises by {up}%, and a year later the new "
            "price falls by {down}%. What does it cost then, in euros?",
            "A field is valued at {price:,} crowns. The value first grows by {up} percent and then shrinks by "
            "{down} percent of what it has become. What is the final value in crowns?",
        ),
        "remainder": (
            "A stadium has {rows} rows of {seats} seats and {more:,} standing places. Everyone in the full "
            "stadium is put into groups of {group}. How many people remain without a full group?",
            "What remainder does {rows} times {seats}, increased by {more}, leave when it is divided by {group}?",
        ),
        "rate": (
            "A press at {place} stamps {rate} {thing} a minute. It runs for {hours} hours and {minutes} minutes, "
            "and {spoiled} {thing} turn out to be faulty. How many good ones are there?",
            "{person} runs a machine for {hours} h {minutes} min. It makes {rate} {thing} per minute, of which "
            "{spoiled} in total are thrown away. How many {thing} remain?",
        ),
        "dates": (
            "From {first} up to {last}, counting the first day but not the last, {place} uses {daily} litres of "
            "water a day. How many litres is that?",
            "{person} writes {daily} words every day, beginning on {first} and no longer writing on {last}. How "
            "many words is that in all? (Dates are year-month-day.)",
        ),
        "choice": (
            "From {people} people a committee of {seats} is formed, and it picks {picked} of {dishes} dishes for "
            "its dinner. In how many ways can both be done, if no order matters?",
            "A club of {people} sends {seats} members on a trip and packs {picked} out of {dishes} different "
            "books. How many combinations of members and books are possible?",
        ),
        "power": (
            "Take the remainder of {base} to the power {exponent} on division by {modulus}, and add {more}. What "
            "is the result?",
            "Let r be the remainder when {base}^{exponent} is divided by {modulus}. What is r + {more}?",
        ),
        "cycles": (
            "Three lamps at {place} flash every {first}, {second} and {third} seconds. They have just flashed "
            "together. After how many seconds will they flash together for the {nth} time from now?",
            "Three gears have {first}, {second} and {third} teeth and mesh in one train. How many teeth have "
            "passed when all three have returned to their starting position {laps} times?",
        ),
        "fractions": (
            "Calculate {a}/{b} + {c}/{d} - {e}/{f} exactly, as a fraction in lowest terms or an integer.",
            "{person} pours {a}/{b} litres and {c}/{d} litres into a tank and then takes out {e}/{f} litres (a "
            "negative result means that some was owed). What is the exact balance in litres?",
        ),
        "average": (
            "A train goes at {speed} km/h for {hours} hours and then at {other} km/h for {more} hours. What is "
            "its average speed in km/h, exactly?",
            "{person} cycles {hours} hours covering {speed} furlongs in each, and {more} hours covering {other} "
            "furlongs in each. How many furlongs per hour is that on average? Give the exact value.",
        ),
    },
    "validation": {
        "expression": ("Work out the following exactly: {expression}",),
        "stock": (
            "At {place} there are {start:,} {thing}. A ship unloads {pallets} containers holding {boxes} {thing} "
            "apiece, and buyers carry off {sold:,}. How many are there in the end?",
        ),
        "percent": (
            "The rent of a hall is {price:,} francs. It is put up by {up}% and later reduced by {down}%. How many "
            "francs is the rent in the end?",
        ),
        "remainder": (
            "{person} packs {rows} cartons of {seats} {thing} and {more:,} loose ones into bags of {group}. How "
            "many {thing} are left over when no further bag can be filled?",
        ),
        "rate": (
            "{rate} {thing} come off a line at {place} each minute. After {hours} hours plus {minutes} minutes, "
            "{spoiled} are rejected. How many pass?",
        ),
        "dates": (
            "A clock at {place} strikes {daily} times a day. It was started at midnight at the beginning of "
            "{first} and stopped at midnight at the beginning of {last}. How many times did it strike?",
        ),
        "choice": (
            "{person} chooses {seats} of {people} players and, independently, {picked} of {dishes} songs. How "
            "many different choices are there?",
        ),
        "power": ("Add {more} to the least non-negative residue of {base}**{exponent} modulo {modulus}.",),
        "cycles": (
            "Ferries leave {place} every {first}, every {second} and every {third} minutes; all three leave now. "
            "In how many minutes will they leave together for the {nth} time after this one?",
        ),
        "fractions": ("Simplify {a}/{b} + {c}/{d} - {e}/{f} to one exact fraction (or an integer).",),
        "average": (
            "A pump moves {speed} barrels an hour for {hours} hours, then {other} barrels an hour for {more} "
            "hours. What is the exact mean number of barrels per hour?",
        ),
    },
    "test": {
        "expression": (
            "Evaluate {expression} exactly.",
            "Find the exact result: {expression}",
        ),
        "stock": (
            "{person} manages {place}. The day begins with {start:,} {thing} on the shelves; {pallets} deliveries "
            "of {boxes} {thing} each come in, and customers take {sold:,}. How many {thing} are on the shelves at "
            "the end?",
            "An inventory lists {start:,} {thing}. To these are added {pallets} boxes with {boxes} {thing} per "
            "box, after which {sold:,} {thing} are shipped from {place}. What should the new inventory say?",
        ),
        "percent": (
            "A contract is worth {price:,} dollars. It is raised by {up} percent, and the raised amount is then "
            "cut by {down} percent. How many dollars is it worth now?",
            "{person} invests {price:,} pounds. In the first year the sum gains {up}%; in the second it loses "
            "{down}% of its value at that time. How much is there at the end, in pounds?",
        ),
        "remainder": (
            "{place} ships {rows} loads of {seats} {thing}, and {more:,} more, in cases of {group}. Only full "
            "cases are sent. How many {thing} stay behind?",
            "Multiply {rows} by {seats}, add {more}, and divide by {group}. Which remainder is left?",
        ),
        "rate": (
            "{person} watches a machine that turns out {rate} {thing} every minute. It works without a break for "
            "{hours} hours and another {minutes} minutes; {spoiled} {thing} are scrapped. How many are kept?",
            "For {hours} hours and {minutes} minutes, {place} produces {rate} {thing} per minute. Inspection "
            "removes {spoiled} of them. How many go on sale?",
        ),
        "dates": (
            "{person} saves {daily} cents on every day from {first} (included) to {last} (not included). How many "
            "cents have been saved?",
            "{place} opened on {first} and closed for good on {last}, when it served nobody any more. On every "
            "day before that it served {daily} guests. How many guests were served altogether?",
        ),
        "choice": (
            "A jury of {seats} is drawn from {people} citizens, and {picked} of {dishes} cases are assigned to "
            "it. In how many ways can jury and cases be selected, without regard to order?",
            "{person} may take {seats} of {people} stamps and {picked} of {dishes} coins. How many selections of "
            "stamps and coins are there?",
        ),
        "power": (
            "When {base} raised to the power {exponent} is divided by {modulus}, a remainder is left. What is "
            "that remainder plus {more}?",
            "Compute (({base} ^ {exponent}) mod {modulus}) + {more}.",
        ),
        "cycles": (
            "Three satellites pass over {place} every {first}, {second} and {third} minutes, and all of them do "
            "so at this moment. How many minutes go by until they have passed over it together {laps} more times?",
            "Bells ring every {first} s, every {second} s and every {third} s, and ring together at the start. "
            "How many seconds after the start do they ring together for the {nth} time, not counting the start?",
        ),
        "fractions": (
            "What is {a}/{b} plus {c}/{d} minus {e}/{f}? Answer with an exact fraction in lowest terms, or an integer.",
            "{person} gains {a}/{b} points, then {c}/{d} points, and loses {e}/{f} points. What is the exact total?",
        ),
        "average": (
            "{person} drives for {hours} hours at {speed} miles per hour and for {more} hours at {other} miles "
            "per hour. What is the average speed of the whole drive in miles per hour, as an exact value?",
            "A mill grinds {speed} sacks per hour during {hours} hours and {other} sacks per hour during {more} "
            "hours. Over the whole time, how many sacks per hour is that? Give the exact value.",
        ),
    },
}
