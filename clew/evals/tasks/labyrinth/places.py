"""Phrases of the relations whose subject is a place, a river or a mountain. `phrases.py` explains the notation."""

TEXT = """
= province town mountain > province
tell+ {s} lies in the province of {o}. | {s} belongs to the province of {o}. | {s} is part of the province of {o}.
  {s} is found in the province of {o}. | On maps {s} is marked within the province of {o}.
  {s} is in the province of {o}, well inside its borders.
tell- The province in which {s} lies is {o}. | {s} falls within the province of {o}.
  {s} is situated in the province of {o}. | {s} is counted as part of the province of {o}.
  The province of {o} includes {s}. | {s} sits in the province of {o}.
ask+ In which province does {x} lie? | To which province does {x} belong? | Which province is home to {x}?
  Of which province is {x} a part? | In what province would one find {x}? | {x} lies in which province?
ask- Within which province does {x} fall? | In which province is {x} situated? | Which province includes {x}?
  What province contains {x}? | Name the province that contains {x}. | In which province is {x}?
np+ the province to which {x} belongs | the province that surrounds {x} | the province in which {x} lies
  the province where {x} is found
np- the province that includes {x} | the province that contains {x} | the province where {x} is situated
iask+ Which {n} belongs to {x}?
iask- Which {n} is situated in {x}?
inp+ the {n} that lies in {x} | the one {n} in {x}
inp- the {n} situated in {x} | the only {n} of {x}
count+ How many {ns} lie in {x}? | How many {ns} belong to {x}?
count- How many {ns} are situated in {x}? | What is the number of {ns} in {x}?

= river town > river
tell+ {s} lies on {o}. | {s} stands on the banks of {o}. | {o} flows through {s}.
  {s} was built on both banks of {o}. | {s} owes its mills to {o}, which runs through it.
  {s} is one of the places on {o}.
tell- {o} passes through {s}. | {s} sits beside {o}. | The quays of {s} line {o}. | {s} grew up along {o}.
  {o} waters {s}. | {s} is washed by {o}.
ask+ On which river does {x} lie? | Which river flows through {x}? | On the banks of which river does {x} stand?
  What river runs through {x}? | {x} lies on which river? | What is the name of the river that flows through {x}?
ask- Which river passes through {x}? | Beside which river does {x} sit? | What river waters {x}?
  Along which river did {x} grow up? | Name the river that passes through {x}. | By which river is {x} washed?
np+ the river that flows through {x} | the river on which {x} lies
np- the river that passes through {x} | the river that waters {x} | the river beside which {x} sits
iask+ Which town lies on {x}? | Which town stands on the banks of {x}?
iask- Which town sits beside {x}? | Which town grew up along {x}?
inp+ the town on {x} | the town that stands on the banks of {x}
inp- the town that grew up along {x} | the town beside {x}
count+ How many towns lie on {x}? | How many towns stand on the banks of {x}?
count- How many towns grew up along {x}? | Through how many towns does {x} pass?

= population town > people withheld
tell+ {s} has {o} inhabitants. | The population of {s} is {o}. | {o} people live in {s}. | {s} is home to {o} people.
  {s} counts {o} residents. | At the last census {s} had {o} inhabitants.
tell- {s} has a population of {o}. | The number of people living in {s} is {o}. | {o} residents call {s} home.
  The census lists {o} people for {s}. | {s} has {o} souls within its bounds.
  Some {o} people, to be exact, make up the population of {s}.
ask+ How many people live in {x}? | How many inhabitants does {x} have? | What is the population of {x}?
  How many inhabitants are counted in {x}? | How large is the population of {x}? | {x} is home to how many people?
ask- What population is given for {x}? | How many residents does {x} have? | How many people are at home in {x}?
  What number of people live in {x}? | Name the number of inhabitants of {x}. | How many souls live in {x}?

= mayor town > person withheld
tell+ The first mayor of {s} was {o}. | {o} was the first mayor of {s}. | {s} chose {o} as its first mayor.
  {o} served as the first mayor of {s}. | {s} had {o} as its first mayor. | {o} became the first mayor of {s}.
tell- {o} was the first to hold the office of mayor in {s}. | When {s} gained a mayor, the first was {o}.
  The list of the mayors of {s} begins with {o}. | {s's} earliest mayor was {o}.
  {o} was elected the very first mayor of {s}. | {s} elected {o} to be its first mayor.
ask+ Who was the first mayor of {x}? | Whom did the citizens choose as the first mayor of {x}?
  Who became first mayor of {x}? | {x} had which person as its first mayor?
  Which person served as the first mayor of {x}? | What was the name of the first mayor of {x}?
ask- Who was the earliest mayor of {x}? | With whom does the list of mayors begin in {x}?
  Who first held the office of mayor in {x}? | Name the first mayor of {x}.
  Which person was elected first mayor of {x}? | Whose name opens the list of mayors of {x}?
np+ the first mayor of {x} | the person who served as first mayor of {x} | {x's} first mayor
np- the earliest mayor of {x} | the first person to hold the office of mayor in {x} | {x's} earliest mayor
iask+ Of which town was {x} the first mayor? | Which town had as its first mayor {x}?
iask- In which town was {x} the first to hold the office of mayor? | Which town elected as its first mayor {x}?
inp+ the town whose first mayor was {x} | the town that chose as its first mayor {x}
inp- the town whose earliest mayor was {x} | the town whose list of mayors begins with {x}

= twin town > town
tell+ {s} is twinned with {o}. | {s} and {o} are twin towns. | {s} keeps a town twinning with {o}.
  {s's} twin town is {o}. | Every summer {s} receives a choir from its twin town, {o}.
  {s} signed a charter of friendship with its twin town, {o}.
tell- {s} has {o} for a partner town. | {s} and {o} are partner towns. | {s's} partner town is {o}.
  {s} exchanges gifts each new year with {o}, its partner town. | A twinning charter links {s} and {o}.
  {s} entered into a town partnership with {o}.
ask+ Which town is twinned with {x}? | With which town is {x} twinned? | What is the twin town of {x}?
  {x} is twinned with which town? | Which is the twin town of {x}? | With what town does a twinning exist for {x}?
ask- Which is the partner town of {x}? | With which town does {x} have a partnership?
  Which town has for its partner {x}? | Name the partner town of {x}.
  Which town is linked by a twinning charter to {x}? | What is the partner town of {x}?
np+ the twin town of {x} | the town twinned with {x} | {x's} twin town
np- the partner town of {x} | the town linked by a twinning charter to {x} | {x's} partner town

= realm province > realm
tell+ {s} is a province of {o}. | {s} belongs to {o}. | The province of {s} forms part of {o}.
  {s} is one of the provinces of {o}. | {s} has long been a province of {o}. | {o} rules over the province of {s}.
tell- The province of {s} is within {o}. | {s} owes allegiance to {o}. | {s} is governed by {o}.
  {o} counts {s} among its provinces. | {s} pays its taxes to {o}, whose province it is.
  {o} includes the province of {s}.
ask+ To which realm does {x} belong? | Which realm does {x} form part of? | Which realm rules over {x}?
  Of which realm is {x} a province? | What realm has among its provinces {x}? | {x} is a province of which realm?
ask- Which realm includes {x}? | By which realm is {x} governed? | To which realm does {x} owe allegiance?
  Name the realm that governs {x}. | Within which realm is {x}? | What realm governs {x}?
np+ the realm to which {x} belongs | the realm that rules over {x}
np- the realm that includes {x} | the realm that governs {x}
iask+ Which province belongs to {x}?
iask- Which province is governed by {x}?
inp+ the province that belongs to {x} | the one province of {x}
inp- the province governed by {x} | the only province of {x}
count+ How many provinces belong to {x}? | How many provinces does {x} have?
count- How many provinces are governed by {x}? | What is the number of provinces of {x}?

= capital province realm > town
tell+ The capital of {s} is {o}. | {o} is the capital of {s}. | {s} has its capital at {o}.
  {s} is administered from its capital, {o}. | {o} serves as the capital of {s}. | {s} made {o} its capital.
tell- {s} has {o} as its capital. | {o} is the chief town and capital of {s}. | {s} is governed from {o}, the capital.
  The title of capital of {s} is held by {o}. | {o} has been the capital of {s} for generations.
  {s} chose {o} for its capital.
ask+ What is the capital of {x}? | Which town is the capital of {x}? | Which town serves as the capital of {x}?
  {x} has which town as its capital? | What town is capital of {x}? | Which town was made the capital of {x}?
ask- Which town holds the title of capital of {x}? | Name the capital of {x}. | What is the capital town of {x}?
  Which town was chosen as the capital of {x}? | What is the name of the capital of {x}?
  Which capital does {x} have?
np+ the capital of {x} | the town that serves as the capital of {x} | {x's} capital
np- the capital town of {x} | the town that holds the title of capital of {x}
iask+ Of which {n} is {x} the capital? | Which {n} has as its capital {x}?
iask- Which {n} chose as its capital {x}? | Of which {n} does {x} hold the title of capital?
inp+ the {n} whose capital is {x} | the {n} that has as its capital {x}
inp- the {n} that chose as its capital {x} | the {n} with its capital at {x}

= flows_into river > river
tell+ {s} flows into {o}. | {s} is a tributary of {o}. | {s} empties into {o}. | {s} joins {o} after a last bend.
  {o} receives the waters of {s}. | {s} ends where it flows into {o}.
tell- {s} discharges into {o}. | {s} feeds {o}. | {o} takes in {s} as a tributary. | {s} pours its waters into {o}.
  {s} reaches its end at the confluence with {o}. | {s} runs into {o}.
ask+ Into which river does {x} flow? | Which river does {x} flow into? | Of which river is {x} a tributary?
  Which river takes up the waters of {x}? | Which river receives the waters of {x}? | {x} flows into which river?
ask- Into which river does {x} discharge? | Which river is fed by {x}? | What river takes in, as a tributary, {x}?
  Name the river that is fed by {x}. | Which river does {x} run into? | Into what river does {x} pour its waters?
np+ the river that receives the waters of {x} | the river into which {x} flows
np- the river that is fed by {x} | the river into which {x} discharges
iask+ Which river flows into {x}? | Which river is a tributary of {x}?
iask- Which river discharges into {x}? | Which river feeds {x}?
inp+ the tributary of {x} | the river that flows into {x}
inp- the river that feeds {x} | the only recorded tributary of {x}
count+ How many rivers flow into {x}? | How many tributaries does {x} have?
count- How many rivers discharge into {x}? | How many rivers feed {x}?

= source river > mountain withheld
tell+ {s} rises on {o}. | {s} has its source on {o}. | The source of {s} is on {o}.
  {s} springs from the slopes of {o}. | {s} comes down from {o}, where it rises. | {o} is the source of {s}.
tell- {s} begins its course on {o}. | {s} is born of the snows of {o}. | The headwaters of {s} are on {o}.
  {s} starts as a brook high on {o}. | The springs of {s} are to be found on {o}. | {o} gives rise to {s}.
ask+ On which mountain does {x} rise? | Which mountain is the source of {x}? | On which mountain is the source of {x}?
  From the slopes of which mountain does {x} spring? | {x} rises on which mountain?
  What mountain holds the source of {x}?
ask- On which mountain are the headwaters of {x}? | On which mountain does {x} begin its course?
  Which mountain gives rise to {x}? | Name the mountain that gives rise to {x}.
  What mountain has on its slopes the springs of {x}? | On what mountain does {x} start?
np+ the mountain that holds the source of {x} | the mountain on which {x} rises
np- the mountain that gives rise to {x} | the mountain where {x} begins its course
iask+ Which river rises on {x}? | Which river has its source on {x}?
iask- Which river begins its course on {x}? | Which river has its headwaters on {x}?
inp+ the river that rises on {x} | the river with its source on {x}
inp- the river that begins its course on {x} | the river with its headwaters on {x}

= length river > kilometres withheld
tell+ {s} is {o} kilometres long. | The length of {s} is {o} kilometres.
  From source to mouth {s} measures {o} kilometres. | {s} has a length of {o} kilometres. | {s} covers {o} kilometres.
  {s} runs for {o} kilometres.
tell- {s} extends over {o} kilometres. | The course of {s} takes {o} kilometres.
  Surveyors put the length of {s} at {o} kilometres. | {s} measures {o} kilometres in length.
  {s} stretches for {o} kilometres. | {s} travels {o} kilometres in all.
ask+ How long is {x}, in kilometres? | What is the length in kilometres of {x}? | How many kilometres long is {x}?
  How many kilometres are measured from source to mouth for {x}? | {x} is how many kilometres long?
  For how many kilometres does {x} run?
ask- Over how many kilometres does {x} extend? | How many kilometres does {x} measure?
  What length, in kilometres, is given for {x}? | Name the length in kilometres of {x}.
  For how many kilometres does {x} stretch? | What distance, in kilometres, is covered by {x}?

= height mountain > metres withheld
tell+ {s} is {o} metres high. | The height of {s} is {o} metres. | {s} rises to {o} metres.
  {s} has a height of {o} metres. | The summit of {s} lies at {o} metres. | {s} reaches {o} metres.
tell- {s} stands {o} metres above the sea. | Surveyors put the height of {s} at {o} metres. | {s} measures {o} metres.
  At its top {s} is {o} metres above the sea. | {s} climbs to {o} metres. | The elevation of {s} is {o} metres.
ask+ How high is {x}, in metres? | What is the height in metres of {x}? | How many metres high is {x}?
  At how many metres lies the summit of {x}? | To how many metres does {x} rise? | {x} is how many metres high?
ask- What is the elevation in metres of {x}? | How many metres above the sea does {x} stand?
  What height, in metres, is given for {x}? | Name the height in metres of {x}. | To how many metres does {x} climb?
  How many metres above the sea is the top of {x}?

= climber mountain > person withheld
tell+ {o} was the first to climb {s}. | {s} was first climbed by {o*}. | The first ascent of {s} was made by {o*}.
  {o} made the first ascent of {s}. | {s} stayed unclimbed until {o} reached its summit.
  {o} stood on the summit of {s} before anyone else.
tell- {o} was the first person on the summit of {s}. | {s} was conquered first by {o*}.
  Nobody had been on top of {s} before {o}. | The summit of {s} was first reached by {o*}.
  {o} led the first successful climb of {s}. | {s} yielded for the first time to {o*}.
ask+ Who first climbed {x}? | Who made the first ascent of {x}? | Who was the first to climb {x}?
  By whom was {x} first climbed? | Which person made the first ascent of {x}? | {x} was first climbed by which person?
ask- Who first reached the summit of {x}? | Who was the first person on top of {x}?
  Which person first conquered {x}? | Name the first person to climb {x}. | Who led the first successful climb of {x}?
  By whom was {x} first conquered?
np+ the person who made the first ascent of {x} | the person who first climbed {x}
np- the person who first reached the summit of {x} | the first person on top of {x}
iask+ Which mountain was first climbed by {x}? | Of which mountain did {x} make the first ascent?
iask- Of which mountain did {x} first reach the summit? | Which mountain was first conquered by {x}?
inp+ the mountain first climbed by {x} | the mountain of which {x} made the first ascent
inp- the mountain whose summit was first reached by {x} | the mountain first conquered by {x}
"""
