"""Phrases of the relations whose subject is a place, a river or a mountain. `phrases.py` explains the notation."""

TEXT = """
= province town mountain > province
tell+ {s} lies in the province of {o}. | {s} belongs to the province of {o}. | {s} is part of the province of {o}.
  {s} is in the province of {o}. | {s} is counted as part of the province of {o}.
  {s} is in the north of the province of {o}.
tell- {s} can be found in the province of {o}. | {s} is situated in the province of {o}.
  {s} lies in the south of the province of {o}. | {s} has always been part of the province of {o}.
  The province of {o} includes {s}. | {s} lies well inside the province of {o}.
ask+ In which province is {x}? | Which province is {x} in? | Which province does {x} belong to?
  In which province does {x} lie? | Which province does {x} lie in?
  Which province contains {x}?
ask- In what province is {x}? | What province is {x} in? | What province does {x} belong to?
  Which province is {x} part of? | In which province would you find {x}? | Which province includes {x}?
np+ the province in which {x} lies | the province that contains {x}
np- the province that includes {x} | {x's} province
iask+ Which {n} is in {x}? | Which {n} lies in {x}?
iask- What is the name of the {n} in {x}? | Which {n} can be found in {x}?
inp+ the {n} in {x}
inp- the {n} to be found in {x}
count+ How many {ns} are there in {x}? | How many {ns} does {x} have?
count- How many {ns} are in {x}? | How many {ns} lie in {x}?

= river town > river
tell+ {s} lies on {o}. | {s} stands on the banks of {o}. | {o} flows through {s}.
  {s} was built on both banks of {o}. | {s} owes its mills to {o}, which runs through it.
  {s} is one of the towns on {o}.
tell- {o} passes through {s}. | {s} is situated on {o}. | The quays of {s} line {o}. | {s} grew up along {o}.
  {o} runs through the middle of {s}. | {s} has a long waterfront on {o}.
ask+ Which river flows through {x}? | On which river does {x} lie? | Which river does {x} lie on?
  Which river does {x} stand on? | On the banks of which river does {x} stand? | What river flows through {x}?
ask- Which river passes through {x}? | On which river is {x}? | Which river is {x} on? | What river runs through {x}?
  Which river runs through {x}? | What is the name of the river in {x}?
np+ the river that flows through {x} | the river that {x} lies on
np- the river that runs through {x} | the river in {x}
set+ A river flows through {x}.
set- {x} is on a river.
iask+ Which town lies on {x}? | Which town stands on the banks of {x}?
iask- Which town is situated on {x}? | Which town does {x} run through?
inp+ the town on {x} | the town that stands on the banks of {x}
inp- the town situated on {x} | the town that {x} runs through
iset+ {x} flows through {a}.
iset- {x} runs through {a}.
count+ How many towns lie on {x}? | How many towns does {x} flow through?
count- How many towns are there on {x}? | How many towns does {x} run through?

= population town > people withheld
tell+ {s} has {o} inhabitants. | The population of {s} is {o}. | {o} people live in {s}. | {s} is home to {o} people.
  {s} counts {o} residents. | At the last census {s} had {o} inhabitants.
tell- {s} has a population of {o}. | The number of people living in {s} is {o}. | {o} residents call {s} home.
  The census lists {o} people for {s}. | {s} has {o} residents. | A total of {o} people live in {s}.
ask+ How many people live in {x}? | How many inhabitants does {x} have? | What is the population of {x}?
  How large is the population of {x}? | How many inhabitants are there in {x}? | How many people are there in {x}?
ask- What is {x's} population? | How many residents does {x} have? | How many citizens does {x} have?
  How big is the population of {x}? | How many residents are there in {x}? | How many people call {x} home?

= mayor town > person withheld
tell+ The first mayor of {s} was {o}. | {o} was the first mayor of {s}. | {s} chose {o} as its first mayor.
  {o} served as the first mayor of {s}. | {s} had {o} as its first mayor. | {o} became the first mayor of {s}.
tell- {s's} first mayor was {o}. | {o} was {s's} first mayor. | When {s} elected its first mayor, it chose {o}.
  {o} was elected the very first mayor of {s}. | {s} elected {o} to be its first mayor.
  Nobody had been mayor of {s} before {o}.
ask+ Who was the first mayor of {x}? | Who became the first mayor of {x}? | Who served as the first mayor of {x}?
  Which person was the first mayor of {x}? | Who was chosen as the first mayor of {x}?
  What was the name of the first mayor of {x}?
ask- Who was {x's} first mayor? | Who was the first person to be mayor of {x}? | Who was the very first mayor of {x}?
  Who was elected the first mayor of {x}? | Who was the first to serve as mayor of {x}?
  What was the name of {x's} first mayor?
np+ the first mayor of {x} | the person who served as the first mayor of {x}
np- {x's} first mayor | the {m} who became the first mayor of {x} | the very first mayor of {x}
set+ The first mayor of {x} was {a}.
set- The first person to serve as mayor of {x} was {a}.
iask+ Which town had {x*} as its first mayor? | Which town's first mayor was {x}? 
  Which town was {x} the first mayor of?
iask- Which town elected {x*} as its first mayor? | What town was {x} the first mayor of?
inp+ the town that chose {x*} as its first mayor | the town that had {x*} as its first mayor
inp- the town that elected {x*} as its first mayor | the town that {x} was the first mayor of
iset+ {x} was the first mayor of {a}.
iset- {x} became the first mayor of {a}.

= twin town > town
tell+ {s} is twinned with {o}. | {s} and {o} are twin towns. | {s} has been twinned with {o} for many years.
  {s's} twin town is {o}. | Every summer {s} receives a choir from its twin town, {o}.
  {s} signed a charter of friendship with its twin town, {o}.
tell- {s} has a partner town, {o}. | {s} is a partner town of {o}. | {s's} partner town is {o}.
  {s} exchanges gifts each new year with {o}, its partner town. | A partnership links the towns of {s} and {o}.
  {s} entered into a town partnership with {o}.
ask+ Which town is twinned with {x}? | Which town is {x} twinned with? | What is {x's} twin town?
  What is the twin town of {x}? | With which town is {x} twinned? | Which town is the twin town of {x}?
ask- What is the partner town of {x}? | What is {x's} partner town? | Which town is the partner of {x}?
  Which town is partnered with {x}? | Which town has a partnership with {x}? | Which town is {x's} partner?
np+ the twin town of {x} | {x's} twin town | the town twinned with {x}
np- the partner town of {x} | {x's} partner town | the town partnered with {x}

= realm province > realm
tell+ {s} is a province of {o}. | {s} belongs to {o}. | The province of {s} forms part of {o}.
  {s} is one of the provinces of {o}. | {o} counts {s} among its provinces. | {s} has long been a province of {o}.
tell- The province of {s} lies within {o}. | {s} has been a province of {o} for centuries. | {s} pays its taxes to {o}.
  {s} is a part of {o}. | {o} governs the province of {s}. | The province of {s} is in {o}.
ask+ Which realm does {x} belong to? | To which realm does {x} belong? | What realm does {x} belong to?
  Which realm is {x} a province of? | Which country does {x} belong to? | Which realm includes {x}?
ask- Which realm is {x} part of? | Which realm is {x} in? | Which realm governs {x}? | In which realm is {x}?
  Which realm rules {x}? | What realm is {x} in?
np+ the realm that {x} belongs to | the realm to which {x} belongs
np- the realm that governs {x} | the realm that {x} is part of
iask+ Which province belongs to {x}? | Which province is part of {x}?
iask- Which province is ruled by {x}? | Which province is governed by {x}?
inp+ the province that belongs to {x}
inp- the province governed by {x}
count+ How many provinces belong to {x}? | How many provinces does {x} have?
count- How many provinces are there in {x}? | How many provinces is {x} made up of?

= capital province realm > town
tell+ The capital of {s} is {o}. | {o} is the capital of {s}. | {s} has its capital at {o}.
  {s} is administered from its capital, {o}. | {o} serves as the capital of {s}. | {s} made {o} its capital.
tell- The capital town of {s} is {o}. | {s's} capital is {o}. | {s} is governed from {o}, its capital.
  {o} was made the capital of {s}. | {o} has been the capital of {s} for generations. | {s} chose {o} for its capital.
ask+ What is the capital of {x}? | Which town is the capital of {x}? | Which town serves as the capital of {x}?
  What town is the capital of {x}? | Which town was made the capital of {x}? | What town serves as the capital of {x}?
ask- What is {x's} capital? | Which town is {x's} capital? | What is the name of the capital of {x}?
  What is the capital town of {x}? | Which town was chosen as the capital of {x}?
  Which town is the capital town of {x}?
np+ the capital of {x} | the town that serves as the capital of {x}
np- {x's} capital | the town that is the capital of {x}
iask+ Which {n} has its capital at {x}? | Which {n} is {x} the capital of?
iask- Which {n} is governed from {x}? | What {n} is {x} the capital of?
inp+ the {n} with its capital at {x}
inp- the {n} with {x} as its capital | the {n} governed from {x}

= flows_into river > river
tell+ {s} flows into {o}. | {s} is a tributary of {o}. | {s} empties into {o}. | {s} joins {o} after a last bend.
  {s} ends where it flows into {o}. | {s} meets {o} in a marsh and ends there.
tell- {s} runs into {o}. | {s} feeds {o}. | {s} reaches its end at the confluence with {o}.
  {s} pours its waters into {o}. | {s} joins {o} from the left. | {s} is one of the rivers that feed {o}.
ask+ Which river does {x} flow into? | Into which river does {x} flow? | Which river does {x} join?
  Which river is {x} a tributary of? | Which river receives the waters of {x}? | What river does {x} flow into?
ask- Which river does {x} run into? | Into which river does {x} run? | Which river does {x} feed?
  Which river is fed by {x}? | What river does {x} feed? | Into which river does {x} empty?
np+ the river that {x} flows into | the river joined by {x}
np- the river fed by {x} | the river that {x} runs into
iask+ Which river flows into {x}? | Which river is a tributary of {x}?
iask- Which river runs into {x}? | Which river feeds {x}?
inp+ the tributary of {x} | the river that flows into {x}
inp- the river that feeds {x} | the river that runs into {x}
count+ How many rivers flow into {x}? | How many tributaries does {x} have?
count- How many rivers run into {x}? | How many rivers feed {x}?

= source river > mountain withheld
tell+ {s} rises on {o}. | {s} has its source on {o}. | The source of {s} is on {o}.
  {s} springs from the slopes of {o}. | {s} comes down from {o}, where it rises. | {s} rises in a meadow high on {o}.
tell- {s} begins its course on {o}. | {s} begins among the snows of {o}.
  The headwaters of {s} are on {o}. | {s} starts as a brook high on {o}. | The springs of {s} are on {o}.
  {s} begins as a trickle on {o}.
ask+ Where does {x} rise? | On which mountain does {x} rise? | Which mountain does {x} rise on?
  Which mountain is the source of {x}? | On which mountain is the source of {x}? | Where is the source of {x}?
ask- Where does {x} begin? | On which mountain does {x} begin? | Where are the headwaters of {x}?
  On which mountain are the headwaters of {x}? | Which mountain does {x} begin on? | On which mountain does {x} start?
np+ the mountain where {x} rises | the mountain with the source of {x}
np- the mountain where {x} begins | the mountain on which {x} begins
set+ {x} rises on {a}.
set- {x} begins on {a}.
iask+ Which river rises on {x}? | Which river has its source on {x}?
iask- Which river begins on {x}? | Which river has its headwaters on {x}?
inp+ the river that rises on {x} | the river with its source on {x}
inp- the river that begins on {x} | the river with its headwaters on {x}
iset+ A river rises on {x}.
iset- A river begins on {x}.

= length river > kilometres withheld
tell+ {s} is {o} kilometres long. | The length of {s} is {o} kilometres.
  From source to mouth {s} measures {o} kilometres. | {s} has a length of {o} kilometres. | {s} covers {o} kilometres.
  {s} runs for {o} kilometres.
tell- {s} is {o} km long. | {s} has a course of {o} kilometres. | {s} measures {o} kilometres in length.
  Surveyors put the length of {s} at {o} kilometres. | {s} stretches for {o} kilometres.
  {s} flows for {o} kilometres in all.
ask+ How long is {x}? | What is the length of {x}? | How many kilometres long is {x}?
  What is the length in kilometres of {x}? | How long, in kilometres, is {x}? | What is the total length of {x}?
ask- How long is the course of {x}? | What is {x's} length? | What is {x's} length in kilometres?
  For how many kilometres does {x} flow? | How many kilometres does {x} measure? | What is the full length of {x}?

= height mountain > metres withheld
tell+ {s} is {o} metres high. | The height of {s} is {o} metres. | {s} rises to {o} metres.
  {s} has a height of {o} metres. | The summit of {s} lies at {o} metres. | {s} reaches {o} metres.
tell- {s} stands {o} metres above the sea. | Surveyors put the height of {s} at {o} metres. | {s} is {o} metres tall.
  The top of {s} is {o} metres above the sea. | {s} climbs to {o} metres. | The elevation of {s} is {o} metres.
ask+ How high is {x}? | What is the height of {x}? | How many metres high is {x}? | What is the height in metres of {x}?
  How high, in metres, is {x}? | How high is the summit of {x}?
ask- What is the elevation of {x}? | How tall is {x}? | What is {x's} height? | How many metres tall is {x}?
  How high above the sea is {x}? | How high is the top of {x}?

= climber mountain > person withheld
tell+ {o} was the first to climb {s}. | {s} was first climbed by {o*}. | The first ascent of {s} was made by {o*}.
  {o} made the first ascent of {s}. | {s} stayed unclimbed until {o} reached its summit.
  {o} stood on the summit of {s} before anyone else.
tell- {o} was the first person to reach the top of {s}. | {s} was first conquered by {o*}.
  Nobody had been on top of {s} before {o}. | The summit of {s} was first reached by {o*}.
  {o} led the first successful climb of {s}. | {o} was the first to conquer {s}.
ask+ Who first climbed {x}? | Who made the first ascent of {x}? | Who was the first to climb {x}?
  Who was the first person to climb {x}? | Which person made the first ascent of {x}? | By whom was {x} first climbed?
ask- Who was the first to reach the top of {x}? | Who first reached the summit of {x}?
  Who was the first person on the summit of {x}? | Who first conquered {x}?
  Who led the first successful climb of {x}? | Who was the first to conquer {x}?
np+ the person who made the first ascent of {x} | the first person to climb {x}
np- the {m} who first reached the top of {x} | the {m} who first conquered {x}
set+ {x} was first climbed by {a}.
set- The first person to reach the top of {x} was {a}.
iask+ Which mountain was first climbed by {x*}? | Which mountain was {x} the first to climb?
iask- Which mountain was first conquered by {x*}? | Which mountain was {x} the first to conquer?
inp+ the mountain first climbed by {x*} | the mountain that {x} was the first to climb
inp- the mountain first conquered by {x*} | the mountain that {x} was the first to conquer
iset+ {x} made the first ascent of {a}.
iset- {x} was the first to reach the top of {a}.
"""
