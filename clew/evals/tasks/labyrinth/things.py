"""Phrases of the relations whose subject was built, founded or held. `phrases.py` explains the notation."""

TEXT = """
= crosses bridge > river
tell+ {s} crosses {o}. | {s} spans {o}. | {s} carries the road over {o}. | {s} leads across {o}.
  {o} is crossed by {s}. | {s} was built across {o}.
tell- {s} takes travellers over {o}. | {s} reaches from one bank of {o} to the other. | {o} is spanned by {s}.
  {o} flows beneath {s}. | {s} was built over {o}. | {s} stands over {o}.
ask+ Which river does {x} cross? | Which river is crossed by {x}? | Which river is spanned by {x}?
  What river does {x} cross? | Which river does {x} carry the road over?
  What is the name of the river that {x} crosses?
ask- Which river flows under {x}? | What river flows under {x}? | Which river does {x} span?
  Which river flows beneath {x}? | What is the name of the river under {x}? | Which river lies below {x}?
np+ the river crossed by {x} | the river that {x} crosses | the river spanned by {x}
np- the river under {x} | the river that flows under {x} | the river that {x} spans
iask+ Which bridge crosses {x}? | What bridge crosses {x}?
iask- Which bridge spans {x}? | What is the name of the bridge over {x}?
inp+ the bridge that crosses {x} | the bridge across {x}
inp- the bridge that spans {x} | the bridge over {x}
iset+ {a} crosses {x}.
iset- {a} spans {x}.
count+ How many bridges cross {x}? | How many bridges are there across {x}?
count- How many bridges span {x}? | How many bridges are there over {x}?

= designer bridge theatre > person withheld
tell+ {s} was designed by {o*}. | {o} designed {s}. | {s} is the work of its designer, {o}.
  {o} drew up the plans of {s}. | The design of {s} is by {o*}. | The designer of {s} was {o}.
tell- The architect of {s} was {o}. | {o} was responsible for the design of {s}. | {o} was the architect of {s}.
  {s} was built to a design by {o*}. | {s} was built to plans by {o*}. | {o} prepared the drawings for {s}.
ask+ Who designed {x}? | Who was the designer of {x}? | By whom was {x} designed? | Who drew up the plans for {x}?
  Which person designed {x}? | Who drew the plans of {x}?
ask- Who was the architect of {x}? | Who was responsible for the design of {x}? | Which architect designed {x}?
  Who was the architect behind {x}? | Who prepared the drawings for {x}? | Who made the plans for {x}?
np+ the designer of {x} | the person who designed {x}
np- the architect of {x} | the architect behind {x} | the {m} who designed {x}
set+ {x} was designed by {a}.
set- {x} is the work of {a}.
iask+ Which {n} was designed by {x*}? | Which {n} did {x} design?
iask- Which {n} is the work of {x*}? | Which {n} was {x} the architect of?
inp+ the {n} designed by {x*}
inp- the {n} that {x} designed | the {n} built to plans by {x*}
iset+ {x} designed {a}.
iset- {x} was the architect of {a}.
count+ How many {ns} did {x} design? | How many {ns} were designed by {x*}?
count- How many {ns} was {x} the architect of? | How many {ns} is {x} known to have designed?

= opened bridge theatre > year withheld
tell+ {s} was opened in {o}. | {s} opened in {o}. | The year {o} saw the opening of {s}. | {s} was inaugurated in {o}.
  The opening of {s} took place in {o}. | In {o} {s} was opened with a speech and a brass band.
tell- {s} has been open since {o}. | {s} was first opened in {o}. | {s} first opened in {o}.
  It was in {o} that {s} opened. | {s} was opened to the public in {o}. | The inauguration of {s} took place in {o}.
ask+ When was {x} opened? | In which year was {x} opened? | In which year did {x} open? | What year did {x} open?
  In which year was the opening of {x}? | What was the year of the opening of {x}?
ask- When did {x} open? | In what year was {x} opened? | In what year did {x} open? | What year was {x} opened?
  Since when has {x} been open? | When was the opening of {x}?

= founder company school festival > person withheld
tell+ {s} was founded by {o*}. | {o} founded {s}. | The founder of {s} was {o}.
  {s} owes its existence to its founder, {o}. | {o} established {s}. | {s} was established by {o*}.
tell- {s} was set up by {o*}. | {o} was the founder of {s}. | {o} set up {s}. | {o} started {s}.
  {s} was started by {o*}. | {s's} founder was {o}.
ask+ Who founded {x}? | Who was the founder of {x}? | Who established {x}? | By whom was {x} founded?
  Which person founded {x}? | By whom was {x} established?
ask- Who set up {x}? | Who started {x}? | Who was {x's} founder? | Which person set up {x}?
  What was the name of the founder of {x}? | Which person started {x}?
np+ the founder of {x} | the person who founded {x}
np- the {m} who founded {x} | the {m} who set up {x} | {x's} founder
set+ {x} was founded by {a}.
set- {x} was set up by {a}.
iask+ Which {n} was founded by {x*}? | Which {n} did {x} found?
iask- Which {n} was set up by {x*}? | Which {n} did {x} start?
inp+ the {n} founded by {x*} | the {n} that {x} founded
inp- the {n} set up by {x*} | the {n} started by {x*}
iset+ {x} founded {a}.
iset- {x} set up {a}.
count+ How many {ns} did {x} found? | How many {ns} were founded by {x*}?
count- How many {ns} did {x} set up? | How many {ns} were set up by {x*}?

= founded company school > year withheld
tell+ {s} was founded in {o}. | {s} dates from {o}. | {s} was formally founded in {o}. | {s} has existed since {o}.
  The year {o} saw the founding of {s}. | {s} was established in {o}.
tell- {s} was set up in {o}. | {s} goes back to {o}. | The history of {s} begins in {o}. | {s} was started in {o}.
  It was in {o} that {s} was founded. | {s} has been in existence since {o}.
ask+ When was {x} founded? | In which year was {x} founded? | What year was {x} founded? | When was {x} established?
  In which year was {x} established? | What was the founding year of {x}?
ask- In what year was {x} founded? | When was {x} set up? | In what year was {x} set up? | When did {x} come into being?
  In what year was {x} established? | What year was {x} established in?

= first_held festival > year withheld
tell+ {s} was first held in {o}. | {s} took place for the first time in {o}. | {s} began in {o}.
  {s} goes back to {o}, when it was first held. | {s} was celebrated for the first time in {o}.
  It was in {o} that {s} began.
tell- The first edition of {s} was in {o}. | {s} has been celebrated since {o}. | {s} has been held since {o}.
  It was in {o} that {s} was first held. | {s} started in {o}. | {s} was held for the first time in {o}.
ask+ When was {x} first held? | In which year was {x} first held? | When did {x} begin? | In which year did {x} begin?
  What year was {x} first held? | When was the first edition of {x}?
ask- In what year was {x} first held? | When did {x} first take place? | When did {x} start?
  In what year did {x} start? | Since when has {x} been held? | In what year was the first edition of {x}?

= town school theatre company > town
tell+ {s} is located in {o}. | {s} has its premises in {o}. | {s} has long been in {o}. | {o} is home to {s}.
  {s} has its address in {o}. | {s} is in {o}.
tell- {s} can be found in {o}. | {s} occupies a site in {o}. | {s} has its home in {o}.
  {s} stands on the main square of {o}. | Anyone looking for {s} must go to {o}. | {s} stands on a side street in {o}.
ask+ Which town is {x} in? | In which town is {x}? | Which town is home to {x}? | What town is {x} in?
  In which town is {x} located? | Where is {x}?
ask- In what town is {x}? | Where can {x} be found? | Where is {x} located? | What town is home to {x}?
  Which town is {x} located in? | In which town can {x} be found?
np+ the town that is home to {x} | the town where {x} is located
np- the town in which {x} is located | the town that {x} is in
set+ {x} is located in {a}.
set- {x} is in {a}.
iask+ Which {n} is in {x}? | Which {n} is located in {x}?
iask- What is the name of the {n} in {x}? | Which {n} can be found in {x}?
inp+ the {n} in {x}
inp- the {n} found in {x}
iset+ There is {a} in {x}.
iset- {x} has {a}.

= venue festival > town
tell+ {s} is held in {o}. | {s} takes place in {o}. | {o} is the home of {s}. | {s} fills the streets of {o}.
  {o} hosts {s}. | {s} is celebrated in {o}.
tell- {s} is held every year in {o}. | {s} has always been held in {o}. | Those who want to see {s} travel to {o}.
  {o} is where {s} takes place. | {s} takes place every year in {o}. | {s} calls {o} its home.
ask+ Where does {x} take place? | Which town hosts {x}? | In which town is {x} held? | Which town is home to {x}?
  In which town does {x} take place? | Which town is {x} held in?
ask- Where is {x} held? | In what town is {x} held? | What town hosts {x}? | What town is {x} held in?
  In what town does {x} take place? | Which town does {x} take place in?
np+ the town that hosts {x} | the town where {x} is held
np- the town where {x} takes place | the host town of {x}
set+ {x} is held in {a}.
set- {x} takes place in {a}.
iask+ Which festival is held in {x}? | Which festival takes place in {x}?
iask- Which festival does {x} host? | What is the name of the festival in {x}?
inp+ the festival held in {x} | the festival that takes place in {x}
inp- the festival in {x} | the festival that {x} hosts
iset+ {a} is held in {x}.
iset- {a} takes place in {x}.

= devoted festival > instrument
tell+ {s} is devoted to {o}. | {s} celebrates {o}. | {s} revolves around {o}.
  {o} is the instrument at the heart of {s}. | {s} brings together players of {o}.
  The music of {o} is what {s} is about.
tell- {s} is dedicated to {o}. | {s} honours {o}. | {s} is a meeting of those who play {o}. | {s} centres on {o}.
  The instrument of {s} is {o}. | The music at {s} is all for {o}.
ask+ Which instrument does {x} celebrate? | Which instrument is {x} devoted to? | Which instrument is celebrated at {x}?
  What instrument does {x} celebrate? | To which instrument is {x} devoted? | What instrument is {x} devoted to?
ask- Which instrument does {x} honour? | Which instrument is honoured at {x}? | Which instrument is played at {x}?
  Which instrument does {x} centre on? | What instrument is played at {x}? | Which instrument is {x} all about?
np+ the instrument celebrated at {x} | the instrument that {x} is devoted to
np- the instrument honoured at {x} | the instrument played at {x}
set+ {x} celebrates {a}.
set- {x} honours {a}.
iask+ Which festival is devoted to {x}? | Which festival celebrates {x}?
iask- Which festival centres on {x}? | Which festival honours {x}?
inp+ the festival devoted to {x} | the festival that celebrates {x}
inp- the festival that honours {x} | the festival that centres on {x}
iset+ {a} celebrates {x}.
iset- {a} honours {x}.

= seats theatre > people withheld
tell+ {s} has {o} seats. | {s} seats {o} people. | There are {o} seats in {s}. | {s} holds an audience of {o}.
  An audience of {o} fits into {s}. | The number of seats in {s} is {o}.
tell- {s} has room for {o} people. | The capacity of {s} is {o}. | {o} people can be seated in {s}.
  {s} was fitted with {o} seats. | A full house in {s} means {o} people. | {s} can take {o} spectators.
ask+ How many seats does {x} have? | How many seats are there in {x}? | How many people can sit in {x}?
  How many people does {x} seat? | What is the seating capacity of {x}? | How large an audience does {x} hold?
ask- What is the capacity of {x}? | How many people can {x} seat? | How many spectators can {x} take?
  How many people does {x} have room for? | How many people fit into {x}? | What is {x's} capacity?
"""
